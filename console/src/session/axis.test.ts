import assert from "node:assert/strict";
import { test } from "node:test";
import { axisOf } from "./axis.ts";
import type { Span } from "./spans.ts";

const span = (kind: Span["kind"], start: number, end: number | null): Span => ({
  id: `${kind}${start}`,
  kind,
  label: kind,
  start,
  end,
  failed: false,
});
const hour = 3_600_000;

test("what goes on without a pause is drawn as it was", () => {
  const axis = axisOf([span("turn", 1_000, 5_000), span("model", 2_000, 3_000)], 9_000);
  assert.equal(axis.busy_ms, 4_000);
  assert.deepEqual([1_000, 2_000, 3_000, 5_000].map(axis.at), [0, 0.25, 0.5, 1]);
});

test("an hour between turns, and one until a person has answered, take little of it", () => {
  const spans = [
    span("turn", 0, 1_000),
    span("turn", hour, 2 * hour + 1_000),
    span("tool", hour + 500, 2 * hour + 1_000),
    span("wait", hour + 500, 2 * hour + 500),
  ];
  const axis = axisOf(spans, 3 * hour);
  assert.equal(axis.busy_ms, 2_000);
  const whole = 2_000 + 2 * 40;
  const drawn = [1_000, hour, hour + 500, 1.5 * hour + 500, 2 * hour + 500, 2 * hour + 1_000];
  assert.deepEqual(
    drawn.map((time) => Math.round(axis.at(time) * whole)),
    [1_000, 1_040, 1_540, 1_560, 1_580, 2_080],
  );
});

test("what still goes on goes on until now, and nothing lies outside of it", () => {
  const axis = axisOf([span("turn", 0, null), span("wait", 1_000, null)], hour);
  assert.equal(axis.busy_ms, 1_000);
  assert.equal(axis.at(hour), 1);
  assert.equal(axis.at(-5), 0);
  assert.equal(axis.at(2 * hour), 1);
});

test("spans of no length make no axis of none", () => {
  assert.equal(axisOf([span("turn", 7, 7)], 7).at(7), 0);
});

test("a clock that is set back leaves everything on the axis, and nothing shorter than nothing", () => {
  const spans = [span("turn", 10_000, 11_000), span("turn", 2_000, 4_000), span("model", 2_500, 3_000)];
  const axis = axisOf(spans, 11_000);
  for (const { start, end } of spans) {
    const [from, to] = [axis.at(start), axis.at(end ?? start)];
    assert.ok(from >= 0 && to <= 1 && to > from, `${from} to ${to}`);
  }
});
