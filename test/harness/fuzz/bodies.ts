import { gzipSync } from "node:zlib";
import type { Random } from "./random.ts";
import { fits, type Schema } from "./schema.ts";

/** A body that a route must refuse, made from one that it takes. */
export interface Malformed {
  body: string | Uint8Array;
  headers?: Record<string, string>;
}

type Json = Record<string, unknown>;
type Fault = (sample: Json, schema: Schema, random: Random) => Malformed | null;

/** Until one of the faults can be made of the sample. */
export function malformed(sample: Json, schema: Schema, random: Random): Malformed {
  while (true) {
    const fault = random.chance(0.6) ? mutated : random.pick(faults);
    const made = fault(sample, schema, random);
    if (made) return made;
  }
}

/** Some values changed at random. Only what the document forbids is sent: what it allows may well be taken. */
const mutated: Fault = (sample, schema, random) => {
  let value: unknown = sample;
  for (let changes = 1 + random.below(3); changes > 0; changes -= 1) value = changedSomewhere(value, random);
  const body = JSON.stringify(value);
  // As it arrives: JSON writes an infinite number as null.
  return fits(schema, JSON.parse(body)) ? null : { body };
};

function changedSomewhere(value: unknown, random: Random): unknown {
  const inside = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  if (!inside || random.chance(0.12)) return changed(value, random);
  const key = random.pick(Object.keys(value));
  const inner = changedSomewhere((value as Json)[key], random);
  if (Array.isArray(value)) return value.with(Number(key), inner);
  return { ...value, [key]: inner };
}

function changed(value: unknown, random: Random): unknown {
  if (random.chance(0.4)) return random.pick(oddValues);
  if (random.chance(0.2)) return random.pick([[value], { value }, { 0: value }, [value, value]]);
  if (typeof value === "string") {
    return random.pick([
      `${value}\0`,
      `\ud83d${value}`,
      value.slice(0, 20).repeat(5_000),
      value.toUpperCase(),
      `${value} `,
      "",
    ]);
  }
  if (typeof value === "number") return random.pick([-value, value + 0.5, value * 1e300, `${value}`]);
  if (Array.isArray(value)) {
    return random.pick([
      value.slice(1),
      [...value, ...value],
      [...value, random.pick(oddValues)],
      { ...value },
    ]);
  }
  if (typeof value !== "object" || value === null) return random.pick(oddValues);
  const entries = Object.entries(value);
  const without = entries.toSpliced(random.below(entries.length + 1), 1);
  const more = [random.pick(oddKeys), random.pick(oddValues)] as const;
  return random.pick([Object.fromEntries(without), Object.fromEntries([...entries, more]), entries]);
}

const nested = (levels: number, open: string, close: string) =>
  `${open.repeat(levels)}0${close.repeat(levels)}`;

const oddKeys = [
  "zz",
  "__proto__",
  "constructor",
  "toString",
  "",
  "\0",
  "\ud800",
  "type",
  "id",
  "k".repeat(300),
];
const oddValues: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  "",
  " ",
  "\0",
  "\ud800",
  "__proto__",
  "x".repeat(20_000),
  [],
  {},
  [[]],
  [null],
  { type: "zz" },
  Object.fromEntries([["__proto__", { admin: true }]]),
  { constructor: { prototype: { admin: true } } },
  JSON.parse(nested(60, "[", "]")),
];

/** The text of the sample with more in its object: a key that comes twice counts where it comes last. */
const withMore = (sample: Json, more: string) => {
  const text = JSON.stringify(sample).slice(0, -1);
  return `${text}${text === "{" ? "" : ","}${more}}`;
};

const faults: Fault[] = [
  // Texts that are no JSON object.
  (sample, _, random) => {
    const text = JSON.stringify(sample);
    return { body: text.slice(0, random.below(text.length)) };
  },
  (sample, _, random) => ({
    body: JSON.stringify(sample) + random.pick(["x", "}", "]", ",", "{}", "\0", "//"]),
  }),
  (sample, _, random) => ({
    body: random.pick(["x", "{", "[", ",", "{}", "\0", "\ufeff\ufeff"]) + JSON.stringify(sample),
  }),
  (sample) => ({ body: `[${JSON.stringify(sample)}]` }),
  (sample) => ({ body: JSON.stringify(JSON.stringify(sample)) }),
  (sample) => ({ body: `${JSON.stringify(sample).replace("{", "{'a':1,")}` }),
  (sample, _, random) => ({
    body: withMore(sample, random.pick(['"a":01', '"a":NaN', '"a":+1', '"a":', "a:1", '"a":"\n"'])),
  }),
  () => ({ body: "" }),
  (_, __, random) => ({ body: random.pick(["null", "true", "0", "1e999", '""', "[]", " ", "\n"]) }),
  // Bytes that are no text, or not in UTF-8.
  (sample, _, random) => {
    const bytes = Buffer.from(JSON.stringify(sample));
    const place = random.below(bytes.length + 1);
    const odd = Buffer.from(random.pick([[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88], [0xc0, 0x80]]));
    return { body: Buffer.concat([bytes.subarray(0, place), odd, bytes.subarray(place)]) };
  },
  (sample) => ({ body: Buffer.from(`\ufeff${JSON.stringify(sample)}`, "utf16le") }),
  (_, __, random) => ({
    body: Buffer.from(Array.from({ length: 1 + random.below(64) }, () => 128 + random.below(128))),
  }),
  (sample, _, random) => ({
    body: gzipSync(JSON.stringify(sample)),
    headers: random.chance(0.5) ? { "content-encoding": random.pick(["gzip", "br", "deflate", "zz"]) } : {},
  }),
  (sample, _, random) => ({
    body: JSON.stringify(sample),
    headers: { "content-type": random.pick(otherTypes) },
  }),
  // Values that only text can hold.
  (sample, schema, random) => {
    const key = random.pick(Object.keys(sample));
    const value = random.pick(oddValues);
    const more = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
    return fits(schema, { ...sample, [key]: value }) ? null : { body: withMore(sample, more) };
  },
  (sample, schema, random) => {
    const key = random.pick(Object.keys(sample));
    const number = random.pick(["1e999", "-1e999", `1${"0".repeat(400)}`]);
    const value = number.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return fits(schema, { ...sample, [key]: value })
      ? null
      : { body: withMore(sample, `"${key}":${number}`) };
  },
  (sample, _, random) => {
    const levels = 250 + random.below(20_000);
    return {
      body: withMore(
        sample,
        `"zz":${random.chance(0.5) ? nested(levels, "[", "]") : nested(levels, '{"a":', "}")}`,
      ),
    };
  },
  (sample) => ({ body: withMore(sample, '"__proto__":{"admin":true}') }),
  // Text that no database keeps; in what a session is told it is kept.
  (sample, _, random) => {
    const texts = Object.entries(sample).filter(([, value]) => typeof value === "string");
    if (texts.length === 0) return null;
    const [key, text] = random.pick(texts);
    return {
      body: JSON.stringify({ ...sample, [key]: `${text}${random.pick(["\0", "\ud800", "\udc00x"])}` }),
    };
  },
];

const otherTypes = [
  "text/plain",
  "text/html; charset=utf-8",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "application/jsonx",
  "application/json; charset=utf-16",
  'application/json; charset="latin1"',
  "json",
  "*/*",
];
