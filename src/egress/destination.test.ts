import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAbsolute, parseAuthority, parseHost, spelled } from "./destination.ts";

test("a host has one spelling, whatever a program writes", () => {
  for (const [text, host] of [
    ["Example.COM", "example.com"],
    ["example.com.", "example.com"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["a%2eexample", "a.example"],
    ["0x7f.1", "127.0.0.1"],
    ["2852039166", "169.254.169.254"],
    ["0251.0376.0251.0376", "169.254.169.254"],
    ["[::FFFF:169.254.169.254]", "::ffff:a9fe:a9fe"],
    ["[fd00:ec2:0::254]", "fd00:ec2::254"],
  ] as const) {
    assert.equal(parseHost(text), host, text);
  }
});

test("what is no host is none", () => {
  for (const text of [
    ...[
      "",
      ".",
      "a b",
      "a/b",
      "a?b",
      "a#b",
      "a\\b",
      "a@b",
      "a:b",
      "[::1",
      "::1",
      "[::1%eth0]",
      "[127.0.0.1]",
      "300.1.1.1",
    ],
    ...["a\0b", "a\r\nb", "a%00b", "a%2fb", "a%40b", "<a>", `${"a.".repeat(127)}com`, "%zz"],
  ]) {
    assert.equal(parseHost(text), null, JSON.stringify(text));
  }
});

test("CONNECT names a host and a port", () => {
  assert.deepEqual(parseAuthority("Example.com:443", null), { host: "example.com", port: 443 });
  assert.deepEqual(parseAuthority("[::1]:80", null), { host: "::1", port: 80 });
  for (const text of [
    "example.com",
    "example.com:",
    ":443",
    "a:0",
    "a:65536",
    "a:4430000",
    "a:-1",
    "u:p@a:443",
    "a:443/",
    "a:1:2",
    "http://a:443",
  ])
    assert.equal(parseAuthority(text, null), null, text);
  assert.equal(spelled({ host: "::1", port: 80 }), "[::1]:80");
});

test("a request for a whole URL keeps what it asks of the host byte for byte", () => {
  for (const [url, expected] of [
    ["http://a.example/%7e/../x?y=%zz", { host: "a.example", port: 80, path: "/%7e/../x?y=%zz" }],
    ["HTTP://A.example:8080?q", { host: "a.example", port: 8080, path: "/?q" }],
    ["http://a.example", { host: "a.example", port: 80, path: "/" }],
    ["http://a.example/x//http://b/", { host: "a.example", port: 80, path: "/x//http://b/" }],
  ] as const) {
    assert.deepEqual(parseAbsolute(url, "GET"), expected, url);
  }
  assert.equal(parseAbsolute("http://a.example", "OPTIONS")?.path, "*");
  for (const url of [
    "/",
    "*",
    "https://a/",
    "http:///x",
    "http:/a/",
    "http://u@a/",
    "http://a:x/",
    "http://a\\@b/",
    "ftp://a/",
    "a.example/",
  ])
    assert.equal(parseAbsolute(url, "GET"), null, url);
});
