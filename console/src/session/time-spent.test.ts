import assert from "node:assert/strict";
import { test } from "node:test";
import type { Span } from "./spans.ts";
import { timeSpent } from "./time-spent.ts";

const span = (
  kind: Span["kind"],
  label: string,
  [start, end]: [start: number, end: number | null],
  failed = false,
): Span => ({ id: `${label}_${start}`, kind, label, start, end, failed });

test("what took the most comes first, with its median, its longest and its last failure", () => {
  const spans = [
    span("turn", "turn", [0, 1_000]),
    span("model", "model request", [0, 400]),
    span("tool", "bash", [400, 410], true),
    span("tool", "bash", [410, 440]),
    span("tool", "bash", [440, 540], true),
    span("tool", "read", [540, 560]),
    span("tool", "read", [560, 600]),
    span("model", "model request", [600, null]),
  ];
  assert.deepEqual(timeSpent(spans), [
    {
      kind: "model",
      label: "model request",
      times: 1,
      failed: 0,
      total_ms: 400,
      median_ms: 400,
      longest: { id: "model request_0", ms: 400 },
      failed_id: null,
    },
    {
      kind: "tool",
      label: "bash",
      times: 3,
      failed: 2,
      total_ms: 140,
      median_ms: 30,
      longest: { id: "bash_440", ms: 100 },
      failed_id: "bash_440",
    },
    {
      kind: "tool",
      label: "read",
      times: 2,
      failed: 0,
      total_ms: 60,
      median_ms: 30,
      longest: { id: "read_560", ms: 40 },
      failed_id: null,
    },
  ]);
});

test("the time in which a person is waited for is no time of the call", () => {
  const spans = [
    span("tool", "bash", [0, 10_000]),
    span("wait", "waits for an answer", [1_000, 4_000]),
    span("wait", "waits for an answer", [5_000, 9_500]),
  ];
  assert.deepEqual(
    timeSpent(spans).map(({ label, total_ms }) => [label, total_ms]),
    [
      ["waits for an answer", 7_500],
      ["bash", 2_500],
    ],
  );
});

test("where nothing has ended there is nothing to say", () => {
  assert.deepEqual(timeSpent([span("turn", "turn", [0, null]), span("tool", "bash", [1, null])]), []);
});
