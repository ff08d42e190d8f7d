import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { ago, bytes, dollarsOf, record, table } from "./table.ts";

const plain = { write: () => {} };
const terminal = { write: () => {}, isTTY: true, columns: 24 };

test("columns are as wide as what they hold, and nothing is cut where no terminal is", () => {
  assert.equal(
    table(
      ["id", "name"],
      [
        ["sesn_1", "a\u001b[31m\nb"],
        [{ text: "s", style: "red" }, ""],
      ],
      plain,
    ),
    "id      name\nsesn_1  a␛[31m␊b\ns\n",
  );
});

test("a terminal has colours, and lines that it has room for", () => {
  const drawn = table(["id", "name"], [[{ text: "s", style: "red" }, "x".repeat(30)]], terminal);
  assert.match(
    drawn,
    /^\u001b\[2mid\u001b\[22m {2}\u001b\[2mname\u001b\[22m\n\u001b\[31ms\u001b\[39m {3}x{19}…\n$/,
  );
});

test("the widest column is cut first, never an id or a number, and columns stand beneath each other", () => {
  const wide = { write: () => {}, isTTY: true, columns: 40 };
  const rows = [
    ["sesn_123456", "日本語".repeat(20), 12_345, "3m ago"],
    ["sesn_2", "e\u0301", 7, "now"],
  ];
  assert.equal(
    stripVTControlCharacters(table(["id", "title", "used", "changed"], rows, wide)),
    [
      "id           title         used  changed",
      "sesn_123456  日本語日本…  12345  3m ago",
      "sesn_2       e\u0301                7  now",
      "",
    ].join("\n"),
  );
});

test("a record leaves out what has no value", () => {
  assert.equal(
    record(
      [
        ["id", "a"],
        ["title", null],
        ["status", "idle"],
      ],
      plain,
    ),
    "id      a\nstatus  idle\n",
  );
});

test("times are told by their distance, sizes by their magnitude", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  assert.deepEqual(
    [
      "2026-01-02T00:00:00Z",
      "2026-01-01T23:59:18Z",
      "2026-01-01T22:30:00Z",
      "2025-12-01T00:00:00Z",
      "2026-01-02T00:03:00Z",
    ].map((time) => ago(time, now)),
    ["now", "42s ago", "1h ago", "32d ago", "in 3m"],
  );
  assert.deepEqual([0, 1023, 1024, 1536, 300_000, 5 * 2 ** 30].map(bytes), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "293 KiB",
    "5.0 GiB",
  ]);
});

test("money is told in dollars, of which the API has cents", () => {
  assert.deepEqual(["150", "0", 2.34, "12.5", "250000"].map(dollarsOf), [
    "$1.50",
    "$0.00",
    "$0.0234",
    "$0.1250",
    "$2500.00",
  ]);
});
