import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createSubstitution, type VariableSecret } from "./substitute.ts";

const seed = Number(process.env.DROVER_TEST_SEED ?? 1);
const numRuns = Number(process.env.DROVER_TEST_RUNS ?? 200);

const variable = (
  placeholder: string,
  secret: string,
  more: Partial<VariableSecret> = {},
): VariableSecret => ({
  type: "environment_variable",
  id: placeholder,
  placeholder,
  secret,
  hosts: null,
  header: true,
  body: true,
  ...more,
});

const [phA, phB] = ["sk-placeholder-of-a-0000000", "ghp_placeholder-of-b-11111"];
const a = variable(phA, "sk-the-secret-of-a-itself-x");
const b = variable(phB, "short");

function inHeaders(variables: VariableSecret[], ...headers: string[]) {
  const used: string[] = [];
  const got = createSubstitution(variables).headers(headers, ({ id }) => used.push(id));
  return { got, used };
}

async function inBody(variables: VariableSecret[], ...chunks: (string | Buffer)[]) {
  const used: string[] = [];
  const { body } = createSubstitution(variables);
  assert.ok(body);
  const pieces: Buffer[] = [];
  const coming = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk);
  })();
  for await (const piece of body.through(coming, ({ id }) => used.push(id))) pieces.push(piece);
  const whole = Buffer.concat(pieces);
  assert.equal(body.lengthOf(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))), whole.length);
  return { got: whole.toString(), used };
}

describe("headers", () => {
  test("have secrets in their values, wherever there, and not in their names", () => {
    const { got, used } = inHeaders([a, b], "X-Key", `${phA}, ${phB};${phA}`, phA, "x", "Accept", "*/*");
    assert.deepEqual(got, ["X-Key", `${a.secret}, short;${a.secret}`, phA, "x", "Accept", "*/*"]);
    assert.deepEqual(used, [phA, phB, phA]);
  });

  test("have them within Basic, as curl and git write it", () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    const { got, used } = inHeaders(
      [a, b],
      "authorization",
      basic(`me:${phB}`),
      "X-Other",
      basic(`me:${phB}`),
    );
    assert.deepEqual(got, ["authorization", basic("me:short"), "X-Other", basic(`me:${phB}`)]);
    assert.deepEqual(used, [phB]);
    const odd = "basic  bWU6eW91";
    assert.deepEqual(inHeaders([a], "Authorization", odd).got, ["Authorization", odd]);
    const raw = `Basic ${phA}`;
    assert.deepEqual(inHeaders([a], "Authorization", raw).got, ["Authorization", `Basic ${a.secret}`]);
  });

  test("have none that is for bodies alone, and a body none that is for headers", async () => {
    const onlyBody = variable(phA, "x", { header: false });
    assert.deepEqual(inHeaders([onlyBody], "A", phA).got, ["A", phA]);
    assert.equal(createSubstitution([variable(phA, "x", { body: false })]).body, null);
    const { got } = await inBody([onlyBody, variable(phB, "y", { body: false })], `${phA}${phB}`);
    assert.equal(got, `x${phB}`);
  });

  test("are as the wire has them: UTF-8 in bytes, and nothing that would end one", () => {
    const { got } = inHeaders([variable(phA, "gr\u00fc\u00df")], "A", `${phA}\u00e9`);
    assert.deepEqual(got, ["A", `${Buffer.from("gr\u00fc\u00df").toString("latin1")}\u00e9`]);
    for (const secret of ["a\r\nInjected: yes", "a\nb", "a\0b", "end\n"])
      assert.equal(inHeaders([variable(phA, secret)], "A", phA).got, null);
    const encoded = Buffer.from(`u:${phA}`).toString("base64");
    assert.ok(inHeaders([variable(phA, "a\nb")], "Authorization", `Basic ${encoded}`).got);
  });

  test("are not looked through again: what a secret holds stays", () => {
    const { got, used } = inHeaders([variable(phA, `<${phB}>`), variable(phB, phA)], "A", `${phA}${phB}`);
    assert.deepEqual(got, ["A", `<${phB}>${phA}`]);
    assert.deepEqual(used, [phA, phB]);
  });
});

describe("bodies", () => {
  test("have secrets wherever they are cut, verbatim alone", async () => {
    const text = `{"key":"${phA}","other":"${phB}"}`;
    const { got, used } = await inBody([a, b], ...text);
    assert.equal(got, `{"key":"${a.secret}","other":"short"}`);
    assert.deepEqual(used, [phA, phB]);
    const escaped = phA.replace("-", "\\u002d");
    assert.equal((await inBody([a], escaped, encodeURIComponent(`ü${phA}`).slice(3))).used.length, 1);
    assert.equal((await inBody([a], Buffer.from(phA).toString("base64"))).used.length, 0);
    const json = variable(phA, 'with "quotes" and \\');
    assert.equal((await inBody([json], `"${phA}"`)).got, '"with "quotes" and \\"');
  });

  test("hold nothing back that begins no placeholder", async () => {
    const { body } = createSubstitution([a]);
    const heard: string[] = [];
    async function* coming() {
      yield Buffer.from("data: 1\n");
      assert.deepEqual(heard, ["data: 1\n"]);
      yield Buffer.from("sk-place");
      assert.deepEqual(heard, ["data: 1\n"]);
      yield Buffer.from("mat!");
      assert.deepEqual(heard, ["data: 1\n", "sk-placemat!"]);
    }
    for await (const piece of body?.through(coming(), () => {}) ?? []) heard.push(piece.toString());
    assert.equal(heard.length, 2);
  });

  test("say whether their length can change", () => {
    const of = (...variables: VariableSecret[]) => createSubstitution(variables).body;
    assert.deepEqual([of(a)?.keeps_length, of(a)?.bytes_min], [true, phA.length]);
    assert.deepEqual([of(a, b)?.keeps_length, of(a, b)?.bytes_min], [false, phB.length]);
    assert.equal(of(), null);
    assert.equal(of(variable("", "secret")), null);
  });

  // Few letters, so that placeholders overlap and begin within each other.
  const word = (min: number, max: number) =>
    fc.array(fc.constantFrom("a", "b", "c"), { minLength: min, maxLength: max }).map((each) => each.join(""));

  test("are the same however they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(word(3, 8), word(1, 12)), {
          minLength: 1,
          maxLength: 4,
          selector: ([placeholder]) => placeholder,
        }),
        fc.array(word(0, 9), { maxLength: 12 }),
        fc.array(fc.nat(11), { maxLength: 20 }),
        async (pairs, words, cuts) => {
          const variables = pairs.map(([placeholder, secret]) => variable(placeholder, secret));
          const text = words.flatMap((each, i) => [each, pairs[i % pairs.length]?.[0] ?? ""]).join("");
          const chunks: string[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(text.slice(at, at + cut));
            at += cut;
          }
          const { got } = await inBody(variables, ...chunks, text.slice(at));
          assert.equal(got, reference(pairs, text));
        },
      ),
      { seed, numRuns },
    );
  });

  function reference(pairs: [string, string][], text: string): string {
    const longestFirst = pairs.toSorted(([one], [other]) => other.length - one.length);
    let out = "";
    for (let at = 0; at < text.length; ) {
      const [placeholder, secret] = longestFirst.find(([each]) => text.startsWith(each, at)) ?? [];
      out += secret ?? text[at];
      at += placeholder?.length ?? 1;
    }
    return out;
  }
});
