import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import { createRedactor, type Hidden, redactorFrom } from "./redact.ts";
import { spellings } from "./spellings.ts";

const seed = Number(process.env.DROVER_TEST_SEED ?? 1);
const numRuns = Number(process.env.DROVER_TEST_RUNS ?? 200);
const token = "sk-live-7fQ/+ü\"é&<'x'> y\\z%41~8-";

const stars = (text: string | Buffer) => "*".repeat(Buffer.from(text).length);

describe("what is redacted", () => {
  test("a secret, and nothing beside it; the same length is shown", () => {
    const { text } = createRedactor([{ secret: "ghp_0123456789abcdef" }]);
    assert.equal(text("a ghp_0123456789abcdef b"), `a ${stars("ghp_0123456789abcdef")} b`);
    assert.equal(text("ghp_0123456789abcdeF"), "ghp_0123456789abcdeF");
    const untouched = "nothing";
    assert.equal(text(untouched), untouched);
  });

  test("the placeholder is shown for it where it is as long, in each spelling", () => {
    const hidden = { secret: "ghp_0123456789abcdef", placeholder: "ghp_phphphphphphphph" };
    const redactor = createRedactor([hidden]);
    for (const spelling of spellings)
      assert.equal(
        redactor.bytes(spelling(hidden.secret)).toString(),
        spelling(hidden.placeholder).toString(),
      );
    const basic = (word: string) => Buffer.from(`x-access-token:${word}`).toString("base64");
    const shown = redactor.text(`Basic ${basic(hidden.secret)}`);
    assert.ok(Buffer.from(shown.slice(6), "base64").includes("x-access-token:"));
    assert.ok(Buffer.from(shown.slice(6), "base64").includes(hidden.placeholder.slice(1, -1)));
    assert.ok(!Buffer.from(shown.slice(6), "base64").includes(hidden.secret.slice(1, 8)));
  });

  test("what programs write a secret with odd characters like", () => {
    const { text } = createRedactor([{ secret: token }]);
    const echoes = [
      token,
      JSON.stringify({ token }),
      encodeURIComponent(token),
      encodeURIComponent(token).replace(/%../g, (each) => each.toLowerCase()),
      new URLSearchParams({ token }).toString(),
      Buffer.from(token).toString("hex"),
      ...["'", "&#39;", "&#039;", "&apos;"].map((apostrophe) =>
        token
          .replaceAll("&", "&amp;")
          .replaceAll("<", "&lt;")
          .replaceAll(">", "&gt;")
          .replaceAll('"', "&quot;")
          .replaceAll("'", apostrophe),
      ),
      ...["", "a", "ab", "abc"].flatMap((before) => [
        Buffer.from(`${before}${token}z`).toString("base64"),
        Buffer.from(`${before}${token}z`).toString("base64url"),
      ]),
    ];
    for (const echo of echoes) {
      assert.equal(text(echo).length === echo.length || echo.includes("ü"), true);
      assert.ok(text(echo).includes("*".repeat(16)), echo);
    }
  });

  test("a secret in UTF-16, whichever byte is first", () => {
    const { bytes } = createRedactor([{ secret: token }]);
    const said = Buffer.from(`<${token}>`, "utf16le");
    const size = 2 * token.length - 1;
    for (const [echo, start] of [
      [said, 2],
      [Buffer.from(said).swap16(), 3],
    ] as const) {
      const shown = Buffer.from(echo).fill("*", start, start + size);
      assert.deepEqual(bytes(echo), shown);
    }
  });

  test("those that overlap, or hold each other, leave nothing of either", () => {
    const [inner, outer, next] = ["0123456789abcdef", "xx-0123456789abcdef-yy", "abcdef-yy-and-more"];
    const { text } = createRedactor([{ secret: inner }, { secret: outer }, { secret: next }]);
    assert.equal(text(`<${outer}-and-more>`), `<${stars(`${outer}-and-more`)}>`);
    assert.equal(text(`<${inner}>${outer}>`), `<${stars(inner)}>${stars(outer)}>`);
  });

  test("a long secret, each part of it by itself", () => {
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i} of a key ${"k".repeat(i)}`);
    const { text } = createRedactor([{ secret: `${lines.join("\n")}\n` }]);
    assert.equal(text(lines.join("\n")), stars(lines.join("\n")));
    const half = lines.join("\n").slice(0, 700);
    assert.ok(text(half).startsWith(stars(half.slice(0, 500))));
  });

  test("none that is too short to tell, and none at all", () => {
    for (const hidden of [[], [{ secret: "" }], [{ secret: "12345678901" }]]) {
      const { text, stream } = createRedactor(hidden);
      assert.equal(text("12345678901"), "12345678901");
      assert.equal(stream().push(Buffer.from("1234")).toString(), "1234");
    }
  });

  test("strings within a value, and their names; half a surrogate pair stays what it is", () => {
    const secret = "ghp_0123456789abcdef";
    const { within, text } = createRedactor([{ secret }]);
    assert.deepEqual(
      within({ a: [secret, 1, null, true], [secret]: { b: `-${secret}` }, ["__proto__"]: secret }),
      {
        a: [stars(secret), 1, null, true],
        [stars(secret)]: { b: `-${stars(secret)}` },
        ["__proto__"]: stars(secret),
      },
    );
    assert.equal(text(`\ud800${secret}\udfff\u{1f600}`), `\ud800${stars(secret)}\udfff\u{1f600}`);
  });
});

describe("a stream", () => {
  const secret = "ghp_0123456789abcdef";

  test("holds nothing back that cannot begin a secret", () => {
    const stream = createRedactor([{ secret }]).stream();
    assert.equal(stream.push(Buffer.from("data: 1\n\n")).toString(), "data: 1\n\n");
    assert.equal(stream.push(Buffer.from("data: ghp_01")).toString(), "data: ");
    assert.equal(stream.push(Buffer.from("!\n")).toString(), "ghp_01!\n");
  });

  test("shows some few bytes to whoever waits, and hides the rest of a secret that follows", () => {
    const stream = createRedactor([{ secret }]).stream();
    assert.equal(stream.push(Buffer.from("say ghp")).toString(), "say ");
    assert.equal(stream.early().toString(), "ghp");
    assert.equal(stream.early().toString(), "");
    assert.equal(stream.push(Buffer.from(secret.slice(3, 10))).toString(), "");
    assert.equal(stream.early().toString(), "");
    assert.equal(stream.push(Buffer.from(`${secret.slice(10)}.`)).toString(), `${stars(secret).slice(3)}.`);
    stream.push(Buffer.from("gh"));
    assert.equal(stream.early().toString(), "gh");
    assert.equal(stream.push(Buffer.from("ost")).toString(), "ost");
    assert.equal(stream.push(Buffer.from("ghp_01234")).toString(), "");
    assert.equal(stream.end().toString(), "ghp_01234");
  });

  test("that lasts hides what came to be a secret, what is held back meanwhile too, and what was one", () => {
    const first = createRedactor([{ secret }]);
    const next = "ghp_0123next-secret!";
    const stream = first.stream();
    assert.equal(stream.push(Buffer.from("say ghp_0123")).toString(), "say ");
    const both = redactorFrom(first, [{ secret: next }]);
    stream.renew(both);
    assert.equal(
      stream.push(Buffer.from(`${next.slice(8)} ${secret}.`)).toString(),
      `${stars(next)} ${stars(secret)}.`,
    );
    assert.equal(redactorFrom(both, [{ secret }]), both);
    assert.equal(redactorFrom(both, [{ secret: next }]), both);
    // What was one longest ago is what is forgotten, where there is no room.
    const large = Array.from({ length: 33 }, (_, i) => ({ secret: `${i}`.padStart(8_000, "x") }));
    assert.deepEqual(redactorFrom(both, large).text(`${next} ${secret}`), `${next} ${secret}`);
  });

  // Few letters, so that secrets overlap, repeat and begin within each other.
  const word = (min: number, max: number) =>
    fc
      .array(fc.constantFrom("a", "b", "%", '"', "ü"), { minLength: min, maxLength: max })
      .map((c) => c.join(""));
  const hiddenOnes: fc.Arbitrary<Hidden[]> = fc.array(
    fc.record({ secret: word(10, 40), placeholder: word(10, 40) }),
    { minLength: 1, maxLength: 3 },
  );
  const texts = (hidden: Hidden[]) =>
    fc.array(
      fc.oneof(
        word(0, 20).map((text) => Buffer.from(text)),
        fc
          .record({
            one: fc.constantFrom(...hidden),
            spelling: fc.constantFrom(...spellings),
            from: fc.nat(8),
          })
          .map(({ one, spelling, from }) => spelling(one.secret).subarray(from)),
        fc
          .record({ one: fc.constantFrom(...hidden), spelling: fc.constantFrom(...spellings) })
          .map(({ one, spelling }) => spelling(one.secret)),
      ),
      { maxLength: 6 },
    );

  test("gives what redacting all at once does, however it is cut", () => {
    fc.assert(
      fc.property(
        hiddenOnes.chain((hidden) =>
          fc.record({ hidden: fc.constant(hidden), parts: texts(hidden), cuts: fc.array(fc.nat(30)) }),
        ),
        ({ hidden, parts, cuts }) => {
          const redactor = createRedactor(hidden);
          const all = Buffer.concat(parts);
          const whole = redactor.bytes(all);
          assert.equal(whole.length, all.length);
          const stream = redactor.stream();
          const got: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            got.push(stream.push(all.subarray(at, at + cut)));
            at = Math.min(all.length, at + cut);
            const held = at - got.reduce((sum, each) => sum + each.length, 0);
            assert.ok(held < limits.redacted_piece_bytes_max, "it holds back more than it may");
          }
          got.push(stream.push(all.subarray(at)), stream.end());
          assert.deepEqual(Buffer.concat(got), whole);
          assert.deepEqual(whole, reference(hidden, all));
        },
      ),
      { seed, numRuns },
    );
  });

  /** The same, in the slowest way that there is. */
  function reference(hidden: Hidden[], all: Buffer): Buffer {
    const shown = Buffer.from(all);
    const needles = hidden
      .flatMap(({ secret, placeholder = "" }) =>
        Buffer.byteLength(secret) < limits.redacted_bytes_min
          ? []
          : spellings.flatMap((spelling) => {
              const [bytes, other] = [spelling(secret), spelling(placeholder)];
              const count = Math.ceil(bytes.length / limits.redacted_piece_bytes_max);
              const at = (i: number) => Math.floor((i * bytes.length) / count);
              const instead = other.length === bytes.length ? other : Buffer.alloc(bytes.length, "*");
              return Array.from({ length: count }, (_, i) => [
                bytes.subarray(at(i), at(i + 1)),
                instead.subarray(at(i), at(i + 1)),
              ]);
            }),
      )
      .toSorted(([a = all], [b = all]) => b.length - a.length);
    let settled = 0;
    for (let start = 0; start < all.length; start += 1) {
      const [bytes, instead] =
        needles.find(([bytes = all]) => all.subarray(start, start + bytes.length).equals(bytes)) ?? [];
      if (!bytes || !instead || start + bytes.length <= settled) continue;
      const from = Math.max(start, settled);
      instead.copy(shown, from, from - start);
      settled = start + bytes.length;
    }
    return shown;
  }
});
