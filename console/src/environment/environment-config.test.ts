import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createdEnvironment,
  createEnvironmentBody,
  type Environment,
  updatedEnvironment,
  updateEnvironmentBody,
} from "../../../src/protocol/environments.ts";
import { environmentBody, environmentUpdate } from "./environment-config.ts";

const maximum = { cpu: null, memory_mb: 1 << 20, disk_mb: null, processes: 1 << 20 };
const made = (body: object): Environment => ({
  id: "env_1",
  type: "environment",
  ...createdEnvironment(createEnvironmentBody.parse(body), maximum),
  created_at: "",
  updated_at: "",
  archived_at: null,
});

const bodies = [
  { name: "a" },
  { name: "a", config: { type: "cloud" }, metadata: { x: "1" } },
  {
    name: "b",
    description: "d",
    config: {
      type: "cloud",
      networking: { type: "limited", allowed_hosts: ["a.example.com"], allow_package_managers: true },
      packages: { npm: ["left-pad"], pip: ["requests"] },
      resources: { cpu: 1, memory_mb: 512 },
      image: "debian",
      setup: ["echo hello"],
    },
    metadata: { x: "2", y: "3" },
  },
  {
    name: "c",
    config: {
      type: "cloud",
      networking: { type: "limited", allow_mcp_servers: true },
      resources: { disk_mb: 64 },
    },
  },
];

test("one that is changed into another is as if it had been made so", () => {
  for (const before of bodies)
    for (const after of bodies) {
      const [from, to] = [made(before), made(after)];
      const update = updateEnvironmentBody.parse(
        environmentUpdate(environmentBody(from), environmentBody(to)),
      );
      const updated = { ...from, ...updatedEnvironment(from, update, maximum) };
      assert.deepEqual(updated, to);
      assert.deepEqual(made(environmentBody(from)), from);
    }
});

test("one of workers stays one", () => {
  const own = made({ name: "a", config: { type: "self_hosted" }, metadata: { x: "1" } });
  const body = environmentBody(own);
  assert.deepEqual(environmentUpdate(body, { ...body, name: "b", metadata: {} }), {
    name: "b",
    metadata: { x: null },
  });
});
