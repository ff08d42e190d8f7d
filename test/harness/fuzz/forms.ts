import type { Malformed } from "./bodies.ts";
import type { Random } from "./random.ts";

/** Forms with one file in them, of which a route takes the first and must refuse the others. */

const boundary = "----drover0123456789";

interface Part {
  head: string;
  body: string | Buffer;
}

const fileOf = (filename = "a.csv", type = "text/csv"): Part => ({
  head: `content-disposition: form-data; name="file"; filename="${filename}"\r\ncontent-type: ${type}`,
  body: "a,b\r\n1,2\r\n",
});
const field = (name: string, body: string): Part => ({
  head: `content-disposition: form-data; name="${name}"`,
  body,
});

function formOf(parts: Part[]): Buffer {
  const shown = parts.flatMap(({ head, body }) => [
    Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
    Buffer.from(body),
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...shown, Buffer.from(`--${boundary}--\r\n`)]);
}

const typeOf = (value = boundary) => ({ "content-type": `multipart/form-data; boundary=${value}` });

export const goodForm = (): Required<Malformed> => ({ body: formOf([fileOf()]), headers: typeOf() });

const faults: ((random: Random) => Malformed)[] = [
  () => ({ body: formOf([]), headers: typeOf() }),
  () => ({ body: formOf([field("other", "x")]), headers: typeOf() }),
  (random) => ({ body: formOf(Array(2 + random.below(30)).fill(fileOf())), headers: typeOf() }),
  (random) => {
    const name = random.pick(["zz", "__proto__", "constructor", "file[]", "files", "FILE", "", "a\xff"]);
    return { body: formOf([fileOf(), field(name, "x")]), headers: typeOf() };
  },
  (random) => {
    const seconds = [
      "",
      "0",
      "x",
      "3599",
      "7776001",
      "1e4",
      "3600.5",
      " 3600",
      "-3600",
      "\0",
      "9".repeat(2_000),
    ];
    return { body: formOf([fileOf(), field("expires_in_seconds", random.pick(seconds))]), headers: typeOf() };
  },
  () => {
    const twice = [field("expires_in_seconds", "3600"), field("expires_in_seconds", "3600")];
    return { body: formOf([...twice, fileOf()]), headers: typeOf() };
  },
  () => ({
    body: formOf([fileOf(), { head: "content-disposition: form-data", body: "x" }]),
    headers: typeOf(),
  }),
  (random) => {
    const names = ["a\x00b", "\x7f", "a\tb\x1b[2J", "x".repeat(300), "é".repeat(256)];
    return { body: formOf([fileOf(random.pick(names))]), headers: typeOf() };
  },
  (random) => {
    const types = ["nonsense", "a/b/c", "/", "text/", "text/ü", `text/${"x".repeat(300)}`];
    return { body: formOf([fileOf("a", random.pick(types))]), headers: typeOf() };
  },
  (random) => {
    const whole = formOf([fileOf()]);
    return { body: whole.subarray(0, random.below(whole.length - boundary.length)), headers: typeOf() };
  },
  (random) => ({
    body: formOf([fileOf()]),
    headers: typeOf(random.pick(["", '""', "other", `${boundary}x`, "x".repeat(5_000)])),
  }),
  (random) => {
    const types = ["multipart/form-data", "multipart/mixed; boundary=a", "application/json", "", "text/csv"];
    return { body: formOf([fileOf()]), headers: { "content-type": random.pick(types) } };
  },
  () => ({ body: formOf([fileOf()]), headers: { ...typeOf(), "content-encoding": "gzip" } }),
  (random) => {
    const bytes = Array.from({ length: random.below(2_000) }, () => random.below(256));
    return { body: Buffer.from(bytes), headers: typeOf() };
  },
];

const inFolder = (path: string, body: string | Buffer = "x"): Part => ({
  head: `content-disposition: form-data; name="files[]"; filename="${path}"\r\ncontent-type: text/markdown`,
  body,
});
const manifest = (name = "fuzzed") =>
  inFolder(`${name}/SKILL.md`, `---\nname: ${name}\ndescription: d\n---\n`);

const skillFaults: ((random: Random) => Malformed)[] = [
  ...faults,
  (random) => {
    const paths = [
      "../x",
      "/x",
      "fuzzed/../x",
      "fuzzed//x",
      "x",
      "other/x",
      "fuzzed/a\x00b",
      "C:/x",
      "fuzzed/SKILL.MD",
    ];
    return { body: formOf([manifest(), inFolder(random.pick(paths))]), headers: typeOf() };
  },
  (random) => {
    const texts = [
      "",
      "# A",
      "---\nname: fuzzed\n---\n",
      "---\nname: [\n---\n",
      "---\n&a [*a]\n---\n",
      "---\n- a\n---\n",
    ];
    return { body: formOf([inFolder("fuzzed/SKILL.md", random.pick(texts))]), headers: typeOf() };
  },
  (random) => {
    const names = ["Fuzzed", "-a", "a--b", "a b", "x".repeat(65), "ü", "{}", "1.5e3.2"];
    return {
      body: formOf([inFolder("fuzzed/SKILL.md", `---\nname: ${random.pick(names)}\ndescription: d\n---\n`)]),
      headers: typeOf(),
    };
  },
  (random) => {
    const bytes = Array.from({ length: random.below(2_000) }, () => random.below(256));
    return {
      body: formOf([inFolder("a.zip", Buffer.from([0x50, 0x4b, 3, 4, ...bytes]))]),
      headers: typeOf(),
    };
  },
  () => ({ body: formOf([manifest(), field("display_name", "a\u2028b")]), headers: typeOf() }),
];

/** For the route of that path. */
export const malformedForm = (path: string, random: Random): Malformed =>
  random.pick(path.startsWith("/v1/skills") ? skillFaults : faults)(random);
