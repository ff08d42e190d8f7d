import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isSettled } from "./judge-rules.ts";

const settled: [string, Record<string, unknown>][] = [
  ["read", { file_path: "notes.txt" }],
  ["read", { file_path: "./src/a b.ts", view_range: [1, 2] }],
  ["read", { file_path: "/workspace" }],
  ["read", { file_path: "/workspace/.git/config" }],
  ["read", { file_path: "/workspace/a..b/...txt" }],
  ["read", { file_path: "//workspace///a" }],
  ["read", { file_path: "/mnt/session/outputs/report.md" }],
  ["read", { file_path: "/mnt/skills/pdf-forms/SKILL.md" }],
  ["read", { file_path: "~/x" }],
  ["grep", { pattern: "../../etc/passwd" }],
  ["grep", { pattern: "x", path: "src" }],
  ["grep", { pattern: "x", path: "/mnt/session" }],
  ["glob", { pattern: "**/*.ts" }],
  ["glob", { pattern: "src/{a,b}/[ab]?.ts", path: "/workspace/x" }],
  ["glob", { pattern: ".github/**" }],
  ["glob", { pattern: "/workspace/*.md" }],
];

const unsettled: [string, Record<string, unknown>][] = [
  ["read", {}],
  ["read", { file_path: 7 }],
  ["read", { file_path: "" }],
  ["read", { file_path: "-" }],
  ["read", { file_path: "/etc/passwd" }],
  ["read", { file_path: "/" }],
  ["read", { file_path: "/workspace2/x" }],
  ["read", { file_path: "/workspaces" }],
  ["read", { file_path: "/mnt/sessions/x" }],
  ["read", { file_path: "/mnt/skills/../x" }],
  ["read", { file_path: "/mnt" }],
  ["read", { file_path: "/proc/self/environ" }],
  ["read", { file_path: "../etc/passwd" }],
  ["read", { file_path: "/workspace/../etc/passwd" }],
  ["read", { file_path: "/workspace/link/../passwd" }],
  ["read", { file_path: "a/.." }],
  ["read", { path: "/workspace/x", file_path: "/etc/passwd" }],
  ["grep", { pattern: "root", path: "/etc" }],
  ["grep", { pattern: "root", path: ".." }],
  ["grep", { pattern: "root", path: "-" }],
  ["glob", {}],
  ["glob", { pattern: "/etc/*" }],
  ["glob", { pattern: "*", path: "/etc" }],
  ["glob", { pattern: "../*" }],
  ["glob", { pattern: "a/../../*" }],
  ["glob", { pattern: "{a,/etc}/*" }],
  ["glob", { pattern: "{.,x}{.,y}/*" }],
  ["glob", { pattern: ".*/.*/etc/*" }],
  ["glob", { pattern: ".?/*" }],
  ["glob", { pattern: ".[.]/*" }],
  ["glob", { pattern: ".\\./*" }],
  ["glob", { pattern: "/work*/x" }],
  ["bash", { command: "ls" }],
  ["write", { file_path: "/workspace/x", content: "" }],
  ["edit", { file_path: "/workspace/x", old_string: "a", new_string: "b" }],
  ["Read", { file_path: "x" }],
  ["fetch", { file_path: "x" }],
];

describe("the rules", () => {
  for (const [name, input] of settled) {
    test(`allow ${name} ${JSON.stringify(input)}`, () => assert.ok(isSettled(name, input)));
  }
  for (const [name, input] of unsettled) {
    test(`leave ${name} ${JSON.stringify(input)} to the judge`, () => assert.ok(!isSettled(name, input)));
  }
});
