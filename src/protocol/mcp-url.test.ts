import assert from "node:assert/strict";
import { test } from "node:test";
import { mcpKeyOf, normalMcpUrl } from "./mcp-url.ts";

test("URLs of one MCP server are one, however they are spelled", () => {
  for (const [text, normal] of [
    ["https://mcp.example.com/mcp", "https://mcp.example.com/mcp"],
    ["HTTPS://MCP.Example.COM:443/mcp/", "https://mcp.example.com/mcp"],
    ["http://mcp.example.com:80", "http://mcp.example.com"],
    ["https://mcp.example.com/", "https://mcp.example.com"],
    ["https://mcp.example.com:8443/", "https://mcp.example.com:8443"],
    ["https://mcp.example.com/mcp/?team=A", "https://mcp.example.com/mcp?team=A"],
    ["https://mcp.example.com/a/../mcp?#top", "https://mcp.example.com/mcp"],
    ["https://bücher.example/mcp", "https://xn--bcher-kva.example/mcp"],
    ["http://[::1]:80/mcp", "http://[::1]/mcp"],
  ] as const) {
    assert.equal(normalMcpUrl(text), normal, text);
    assert.equal(normalMcpUrl(normal), normal);
    assert.equal(mcpKeyOf(text), `mcp ${normal}`);
  }
});

test("those of others are others", () => {
  const different = [
    ...["https://a.example", "http://a.example", "https://a.example:444", "https://b.example"],
    ...[
      "https://a.example/mcp",
      "https://a.example/MCP",
      "https://a.example/mcp//",
      "https://a.example/mcp/x",
    ],
    ...["https://a.example/mcp?a=1", "https://a.example/mcp?a=2", "https://a.example/%6dcp"],
    ...["https://a.example.", "https://ada@a.example", "https://ada:secret@a.example"],
  ];
  assert.equal(new Set(different.map(normalMcpUrl)).size, different.length);
  for (const url of different) assert.equal(normalMcpUrl(normalMcpUrl(url) ?? ""), normalMcpUrl(url));
});

test("what is no URL of the web is none", () => {
  for (const text of ["", "mcp.example.com", "/mcp", "ftp://a.example", "file:///etc/passwd", "https://"]) {
    assert.equal(normalMcpUrl(text), null, text);
    assert.equal(mcpKeyOf(text), null, text);
  }
});
