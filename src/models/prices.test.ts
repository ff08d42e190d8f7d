import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { noUsage } from "./model.ts";
import { listPrices } from "./price-table.ts";
import { pricesOf, priceTable, readPriceTable } from "./prices.ts";

const noNames = { aliases: new Map<string, string>() };
const prices = pricesOf(listPrices, noNames);
const million = 1_000_000;
/** In dollars. */
const costOf = (id: string, usage: Partial<typeof noUsage>, speed?: "standard" | "fast") => {
  const nano = prices.costOf({ id, speed }, { ...noUsage, ...usage });
  return nano === null ? null : nano / 1e9;
};

describe("list prices", () => {
  test("of the table fit its own shape", () => {
    assert.equal(priceTable.safeParse(listPrices).success, true);
  });

  for (const [id, input, output, read, written5m, written1h] of [
    ["claude-fable-5-1", 10, 50, 0.25, 12.5, 20],
    ["claude-opus-5-5", 4, 20, 0.2, 5, 8],
    ["claude-opus-4-5-20251101", 5, 25, 0.5, 6.25, 10],
    ["anthropic/claude-sonnet-5", 2, 10, 0.2, 2.5, 4],
    ["claude-sonnet-5-5", 2, 10, 0.1, 2.5, 4],
    ["simulated/typing", 1, 5, 0.1, 1.25, 2],
  ] as const) {
    test(`of ${id} are those of every kind of token`, () => {
      assert.equal(costOf(id, { input_tokens: million }), input);
      assert.equal(costOf(id, { output_tokens: million }), output);
      assert.equal(costOf(id, { cache_read_input_tokens: million }), read);
      assert.equal(costOf(id, { cache_creation_5m_input_tokens: million }), written5m);
      assert.equal(costOf(id, { cache_creation_1h_input_tokens: million }), written1h);
    });
  }

  test("of a long prompt count what comes from the cache", () => {
    const short = { input_tokens: 60_000, cache_read_input_tokens: 40_000 };
    assert.equal(costOf("claude-haiku-5-5", short), 0.0064);
    assert.equal(costOf("claude-haiku-5-5", { ...short, input_tokens: 60_001 }), 0.0320005);
  });

  test("of fast speed are a multiple, where there is such a price", () => {
    assert.equal(costOf("claude-opus-5-5", { output_tokens: million }, "fast"), 40);
    assert.equal(costOf("claude-sonnet-5", { output_tokens: million }, "fast"), null);
    assert.equal(prices.has({ id: "claude-sonnet-5", speed: "fast" }), false);
  });

  test("of an unknown model are none, not zero", () => {
    assert.equal(costOf("claude-unheard-of", { input_tokens: 1 }), null);
    assert.equal(costOf("constructor", { input_tokens: 1 }), null);
  });
});

describe("a file of prices", () => {
  function withFile(text: string, use: (path: string) => void) {
    const folder = mkdtempSync(join(tmpdir(), "drover-prices-"));
    const path = join(folder, "prices.json");
    writeFileSync(path, text);
    try {
      use(path);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  const rates = { input: 1, output: 2, cache_write_5m: 3, cache_write_1h: 4, cache_read: 5 };

  test("takes the place of the table", () => {
    withFile(JSON.stringify({ as_of: "2026-11-21", models: { mine: rates } }), (path) => {
      const own = pricesOf(readPriceTable(path), noNames);
      assert.equal(own.costOf({ id: "mine" }, { ...noUsage, input_tokens: 3 }), 3_000);
      assert.equal(own.has({ id: "claude-opus-5" }), false);
    });
  });

  test("that is wrong is refused by what is wrong", () => {
    withFile("{", (path) =>
      assert.throws(() => readPriceTable(path), /DROVER_PRICES: .*prices\.json cannot be read/),
    );
    withFile(JSON.stringify({ as_of: "2026-11-21", models: { mine: { ...rates, input: -1 } } }), (path) =>
      assert.throws(() => readPriceTable(path), /DROVER_PRICES: .*models\.mine\.input/),
    );
    assert.throws(() => readPriceTable("/nowhere.json"), /cannot be read/);
  });
});

test("the same model has its price wherever it is served, and whatever it is called", () => {
  const aliases = new Map([
    ["default", "bedrock/eu.anthropic.claude-opus-5-5-20260901-v1:0"],
    ["cheap", "default"],
  ]);
  const prices = pricesOf(listPrices, { aliases });
  const usage = { ...noUsage, input_tokens: 1_000_000 };
  const expected = prices.costOf({ id: "claude-opus-5-5" }, usage);
  assert.equal(expected, 4e9);
  for (const id of ["default", "cheap", "aws/anthropic.claude-opus-5-5", "gcp/claude-opus-5-5@20260901"])
    assert.equal(prices.costOf({ id }, usage), expected, id);
  assert.equal(prices.has({ id: "local/qwen3:32b" }), false);
});

test("the name that says most has the price", () => {
  const table = { as_of: "2026-11-21", models: { ...listPrices.models } };
  const cheap = listPrices.models["claude-haiku-4-5"] ?? assert.fail();
  const prices = pricesOf({ ...table, models: { ...table.models, "aws/claude-opus-5-5": cheap } }, noNames);
  const usage = { ...noUsage, output_tokens: 1_000_000 };
  assert.equal(prices.costOf({ id: "aws/claude-opus-5-5" }, usage), 5e9);
  assert.equal(prices.costOf({ id: "gcp/claude-opus-5-5" }, usage), 20e9);
});
