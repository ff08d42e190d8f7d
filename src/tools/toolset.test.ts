import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Hands, StaleEpoch, Undecided } from "../hands/client.ts";
import { testSpec } from "../hands/testing.ts";
import type { ExecuteResult } from "../hands/wire.ts";
import { runTool, toolset } from "./toolset.ts";

const scope = {
  session_id: "sesn_tools",
  sandbox_id: "sbx_tools",
  epoch: 1,
  spec: testSpec,
  restore: false,
  mounts: 0,
  restore_known: null,
};
const never = new AbortController().signal;

test("the tools have the input shapes of the SDK", () => {
  const shapes = Object.fromEntries(
    toolset.map(({ definition }) => [
      definition.name,
      Object.keys((definition.input_schema as { properties: object }).properties),
    ]),
  );
  assert.deepEqual(shapes, {
    bash: ["command", "restart", "timeout_ms"],
    read: ["file_path", "view_range"],
    write: ["file_path", "content"],
    edit: ["file_path", "old_string", "new_string", "replace_all"],
    glob: ["pattern", "path"],
    grep: ["pattern", "path"],
  });
});

describe("a call", () => {
  const finished: ExecuteResult = {
    status: "finished",
    exit_code: 0,
    timed_out: false,
    cancelled: false,
    output_base64: Buffer.from("text").toString("base64"),
    stderr_base64: "",
    omitted_bytes: 0,
    earlier_base64: "",
    earlier_omitted_bytes: 0,
    kept: null,
    fresh_shell: false,
    restored: null,
    network: null,
  };
  const lossy = (asked: string[]): Hands => ({
    async provision() {},
    async cancelSetUp() {},
    setUp: async () => ({ status: "ready" }),
    async cancel() {},
    async execute({ call_id }) {
      asked.push(call_id);
      return call_id.includes(".") ? finished : { status: "lost", reason: "the host restarted" };
    },
  });

  test("whose host has died is run again when it only reads", async () => {
    const asked: string[] = [];
    const result = await runTool(
      { id: "c", name: "read", input: { file_path: "x" }, started_seq: null },
      lossy(asked),
      scope,
      never,
    );
    assert.equal(result.is_error, false);
    assert.deepEqual(asked, ["c:look", "c.1:look", "c.1:read"]);
    assert.deepEqual(result.recovery, { type: "run_again", reason: "the host restarted", replays: 1 });
  });

  test("tells of the workspace that it was run again in, not of the one before", async () => {
    const restored = (id: string) => ({
      ...finished,
      restored: { id, checkpoint: null, missing: [], missing_count: 0, skipped: 0, untold: [] },
    });
    const hands: Hands = {
      ...lossy([]),
      async execute({ call_id }) {
        if (call_id === "c:read") return { status: "lost", reason: "the host restarted" };
        return restored(call_id.includes(".") ? "second" : "first");
      },
    };
    const call = { id: "c", name: "read", input: { file_path: "x" }, started_seq: null };
    assert.equal((await runTool(call, hands, scope, never)).restored?.id, "second");
  });

  test("that has more steps tells what all of them used of the network", async () => {
    const refusal = { host: "a.example", port: 443, reason: "it is not allowed", count: 2 };
    const network = { connections: 1, bytes_sent: 2, bytes_received: 3, refused: [refusal], refused_more: 4 };
    const hands: Hands = { ...lossy([]), execute: async () => ({ ...finished, network }) };
    const call = { id: "c", name: "read", input: { file_path: "x" }, started_seq: null };
    assert.deepEqual((await runTool(call, hands, scope, never)).network, {
      connections: 2,
      bytes_sent: 4,
      bytes_received: 6,
      refused: [refusal, refusal],
      refused_more: 8,
    });
    const quiet: Hands = { ...lossy([]), execute: async () => finished };
    assert.equal((await runTool(call, quiet, scope, never)).network, undefined);
  });

  test("is run again only so often", async () => {
    const asked: string[] = [];
    const hopeless: Hands = {
      ...lossy(asked),
      async execute({ call_id }) {
        asked.push(call_id);
        return { status: "lost", reason: "the host restarted" };
      },
    };
    const call = { id: "c", name: "read", input: { file_path: "x" }, started_seq: null };
    const { is_error, recovery } = await runTool(call, hopeless, scope, never);
    assert.equal(is_error, true);
    assert.deepEqual(asked, ["c:look", "c.1:look", "c.2:look", "c.3:look"]);
    assert.deepEqual(recovery, { type: "outcome_unknown", reason: "the host restarted", replays: 3 });
  });

  test("is not run again once it was interrupted", async () => {
    const asked: string[] = [];
    const call = { id: "c", name: "read", input: { file_path: "x" }, started_seq: null };
    const { recovery } = await runTool(call, lossy(asked), scope, AbortSignal.abort());
    assert.deepEqual(asked, ["c:look"]);
    assert.deepEqual(recovery, { type: "outcome_unknown", reason: "the host restarted", replays: 0 });
  });

  test("says so too where it cannot be run again", async () => {
    const hands: Hands = {
      ...lossy([]),
      execute: async ({ call_id }) =>
        call_id.includes(".")
          ? { status: "unavailable", reason: "all sandbox hosts are full" }
          : { status: "lost", reason: "the host restarted" },
    };
    const call = { id: "c", name: "read", input: { file_path: "x" }, started_seq: null };
    const { content, recovery } = await runTool(call, hands, scope, never);
    assert.match(JSON.stringify(content), /No sandbox is available: all sandbox hosts are full/);
    assert.deepEqual(recovery, { type: "run_again", reason: "the host restarted", replays: 1 });
  });

  test("is not run again when it may have changed something", async () => {
    const asked: string[] = [];
    const result = await runTool(
      { id: "c", name: "bash", input: { command: "x" }, started_seq: null },
      lossy(asked),
      scope,
      never,
    );
    assert.deepEqual(asked, ["c:run"]);
    assert.match(JSON.stringify(result.content), /outcome of this call is unknown: the host restarted/);
    assert.deepEqual(result.recovery, { type: "outcome_unknown", reason: "the host restarted", replays: 0 });
  });

  test("with an error of its own is told to the model, not thrown", async () => {
    const broken: Hands = { ...lossy([]), execute: () => Promise.reject(new Error("the disk is on fire")) };
    const result = await runTool(
      { id: "c", name: "bash", input: { command: "x" }, started_seq: null },
      broken,
      scope,
      never,
    );
    assert.match(JSON.stringify(result), /No sandbox is available: the disk is on fire/);
  });

  test("whose answer makes no sense is told to the model, not thrown", async () => {
    const odd: Hands = {
      ...lossy([]),
      execute: async () => ({ ...finished, kept: undefined, output_base64: null }) as never,
    };
    const result = await runTool(
      { id: "c", name: "read", input: { file_path: "x" }, started_seq: null },
      odd,
      scope,
      never,
    );
    assert.match(JSON.stringify(result), /The tool failed: /);
  });

  test("while its long output is put into a file has its result all the same", async () => {
    const large = { ...finished, output_base64: Buffer.from("ä".repeat(100_001)).toString("base64") };
    const forgetful: Hands = {
      ...lossy([]),
      execute: async ({ operation }) =>
        operation.type === "keep" ? { status: "lost", reason: "the host restarted" } : large,
    };
    const call = { id: "c", name: "bash", input: { command: "x" }, started_seq: null };
    const { content, is_error } = await runTool(call, forgetful, scope, never);
    const [block] = content;
    assert.equal(is_error, false);
    assert.match(
      block?.type === "text" ? block.text : "",
      /^ä{8000}\n\[\.\.\. the output has 200002 bytes: .* the rest could not be kept \.\.\.\]\nä{8000}$/,
    );
  });

  test("is not answered when the database did not say where its sandbox is: the brain comes back to it", async () => {
    const unsure: Hands = {
      ...lossy([]),
      execute: () => Promise.reject(new Undecided("the database is away")),
    };
    const call = { id: "c", name: "bash", input: { command: "x" }, started_seq: null };
    await assert.rejects(runTool(call, unsure, scope, never), Undecided);
  });

  test("of a brain that was replaced is not answered at all", async () => {
    const stale: Hands = { ...lossy([]), execute: () => Promise.reject(new StaleEpoch("newer")) };
    await assert.rejects(
      runTool({ id: "c", name: "bash", input: { command: "x" }, started_seq: null }, stale, scope, never),
      StaleEpoch,
    );
  });
});
