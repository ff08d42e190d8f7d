import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInSandboxes } from "../config/sandboxes.ts";
import { type CloudConfig, cloudDefault } from "../protocol/environments.ts";
import { sandboxSpec } from "./sandbox-spec.ts";

const agent = {
  mcp_servers: [{ url: "https://mcp.example.com:8443/sse" }, { url: "https://api.example.com/mcp" }],
};

const networkOf = (networking: CloudConfig["networking"]) =>
  sandboxSpec({ environment: { ...cloudDefault, networking }, agent, settings: builtInSandboxes }).network;

const limited: CloudConfig["networking"] = {
  type: "limited",
  allowed_hosts: ["api.example.com", "*.example.org"],
  allow_mcp_servers: false,
  allow_package_managers: false,
};

test("an unrestricted environment's sandbox is unrestricted", () => {
  assert.deepEqual(networkOf({ type: "unrestricted" }), { type: "unrestricted" });
});

test("a limited one reaches its hosts, and those of the agent's MCP servers and the registries by flag alone", () => {
  const hosts = ["api.example.com", "*.example.org"];
  assert.deepEqual(networkOf(limited), { type: "limited", hosts, package_managers: false });
  assert.deepEqual(networkOf({ ...limited, allow_mcp_servers: true, allow_package_managers: true }), {
    type: "limited",
    hosts: [...hosts, "mcp.example.com"],
    package_managers: true,
  });
});

test("an MCP server opens the host that it is at, and no other one", () => {
  const urls = [
    "https://*.example.com/mcp",
    "https://*/",
    "https://MCP.example.net./",
    "https://[2001:DB8::1]/",
  ];
  const { network } = sandboxSpec({
    environment: { ...cloudDefault, networking: { ...limited, allowed_hosts: [], allow_mcp_servers: true } },
    agent: { mcp_servers: urls.map((url) => ({ url })) },
    settings: builtInSandboxes,
  });
  assert.deepEqual(network.type === "limited" && network.hosts, ["mcp.example.net", "2001:db8::1"]);
});

test("what a sandbox may use of the network is the server's to say", () => {
  const spec = sandboxSpec({
    environment: cloudDefault,
    agent,
    settings: { ...builtInSandboxes, network: { bytes_max_mb: 3, connections_max: 7 } },
  });
  assert.deepEqual([spec.limits.network_bytes, spec.limits.network_connections], [3 << 20, 7]);
});
