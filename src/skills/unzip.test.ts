import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";
import { limits } from "../limits.ts";
import { ApiError } from "../protocol/errors.ts";
import { folderOf } from "./folder.ts";
import { unzip } from "./unzip.ts";

interface Member {
  name: string | Buffer;
  content?: Buffer;
  /** Of what it holds, as the archive says; true if they are not given. */
  says?: { bytes?: number; crc?: number; packed?: number };
  local?: { name?: string; bytes?: number; method?: number };
  method?: number;
  flags?: number;
  madeBy?: number;
  mode?: number;
  extra?: Buffer;
  /** What comes behind it. */
  descriptor?: Buffer;
  /** Where the directory says that it is; where it is if not given. */
  offset?: number;
}

/** An archive that says what it is told to say. */
function zipOf(members: readonly Member[], { entries = members.length, comment = "" } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const member of members) {
    const {
      content = Buffer.from("x"),
      method = 8,
      flags = 0,
      madeBy = 3,
      mode = 0o100644,
      extra = Buffer.alloc(0),
    } = member;
    const packed = method === 8 ? deflateRawSync(content) : content;
    const name = Buffer.from(member.name);
    const says = { bytes: content.length, crc: crc32(content), packed: packed.length, ...member.says };
    const common = (localName: Buffer, bytes: number, localMethod: number) => {
      const head = Buffer.alloc(26);
      head.writeUInt16LE(20, 0);
      head.writeUInt16LE(flags, 2);
      head.writeUInt16LE(localMethod, 4);
      head.writeUInt32LE(says.crc, 10);
      head.writeUInt32LE(says.packed, 14);
      head.writeUInt32LE(bytes, 18);
      head.writeUInt16LE(localName.length, 22);
      head.writeUInt16LE(extra.length, 24);
      return head;
    };
    const localName = Buffer.from(member.local?.name ?? name);
    const head = common(localName, member.local?.bytes ?? says.bytes, member.local?.method ?? method);
    const local = [
      Buffer.from("PK\x03\x04"),
      head,
      localName,
      extra,
      packed,
      member.descriptor ?? Buffer.alloc(0),
    ];
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(member.offset ?? at, 10);
    const made = Buffer.from([20, madeBy]);
    directory.push(Buffer.from("PK\x01\x02"), made, common(name, says.bytes, method), tail, name, extra);
    parts.push(...local);
    at += local.reduce((sum, part) => sum + part.length, 0);
  }
  const all = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries & 0xffff, 8);
  end.writeUInt16LE(entries & 0xffff, 10);
  end.writeUInt32LE(all.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, all, end, Buffer.from(comment)]);
}

const descriptorOf = (content: Buffer, packed: number, { signed = true, wide = false } = {}) => {
  const bytes = Buffer.alloc(24);
  let at = signed ? bytes.writeUInt32LE(0x08074b50) : 0;
  at = bytes.writeUInt32LE(crc32(content), at);
  for (const size of [packed, content.length])
    at = wide ? bytes.writeBigUInt64LE(BigInt(size), at) : bytes.writeUInt32LE(size, at);
  return bytes.subarray(0, at);
};

const text = Buffer.from("some text, some text, some text");
const packed = deflateRawSync(text).length;

test("what an archive holds comes out of it", async () => {
  const members: Member[] = [
    { name: "a/", content: Buffer.alloc(0), mode: 0o040755 },
    { name: "a/plain", content: text, method: 0 },
    { name: "a/packed", content: text, mode: 0o100755 },
    { name: "a/of another system", content: text, madeBy: 0, mode: 0 },
    {
      name: "a/described",
      content: text,
      flags: 8,
      local: { bytes: 0 },
      descriptor: descriptorOf(text, packed),
    },
    {
      name: "a/unsigned",
      content: text,
      flags: 8,
      descriptor: descriptorOf(text, packed, { signed: false }),
    },
    { name: "a/wide", content: text, flags: 8, descriptor: descriptorOf(text, packed, { wide: true }) },
    { name: "a/ü", content: Buffer.alloc(0) },
  ];
  const files = await unzip(zipOf(members, { comment: "made by hand" }));
  assert.deepEqual(
    files.map(({ name, content, executable }) => [name, content.toString(), executable]),
    [
      ["a/plain", text.toString(), false],
      ["a/packed", text.toString(), true],
      ["a/of another system", text.toString(), null],
      ["a/described", text.toString(), false],
      ["a/unsigned", text.toString(), false],
      ["a/wide", text.toString(), false],
      ["a/ü", "", false],
    ],
  );
});

async function assertRefused(archive: Buffer, says: RegExp): Promise<void> {
  const error = await unzip(archive).then(
    () => assert.fail("it was taken"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof ApiError, String(error));
  assert.ok(error.status === 400 || error.status === 413);
  assert.match(error.message, says);
}

describe("refused, by its name, is what", () => {
  const unicode = (name: string) => {
    const field = Buffer.alloc(9);
    field.writeUInt16LE(0x7075, 0);
    field.writeUInt16LE(5 + name.length, 2);
    field[4] = 1;
    return Buffer.concat([field, Buffer.from(name)]);
  };
  const large = Buffer.alloc(limits.skill_bytes_max + 1);
  const cases: [string, Member[], RegExp][] = [
    ["leads out", [{ name: "a/../../x" }], /"a\/\.\.\/\.\.\/x": a path may not contain/],
    ["leads out as a folder", [{ name: "../", content: Buffer.alloc(0), mode: 0o040755 }], /may not contain/],
    ["is absolute", [{ name: "/etc/passwd" }], /must be relative/],
    ["has a drive", [{ name: "C:\\x" }], /not with \\/],
    ["has a drive alone", [{ name: "c:x" }], /must be relative/],
    ["has backslashes", [{ name: "a\\..\\x" }], /not with \\/],
    ["has a NUL", [{ name: "a/x\0.md" }], /control characters/],
    ["has a line end", [{ name: "a/x\ny" }], /control characters/],
    ["has no name", [{ name: "" }], /has no name/],
    ["is not UTF-8", [{ name: Buffer.from([0x61, 0x2f, 0xff]) }], /not written in UTF-8/],
    ["is called something else too", [{ name: "a/x", extra: unicode("a/y") }], /two names/],
    ["has long names", [{ name: `a/${"x".repeat(256)}` }], /bytes at most/],
    ["lies too deep", [{ name: `${"a/".repeat(22)}x` }], /deep at most/],
    ["is a link", [{ name: "a/x", mode: 0o120777 }], /regular file or a folder/],
    ["is a link of another system", [{ name: "a/x", madeBy: 0, mode: 0o120777 }], /regular file or a folder/],
    ["is a device", [{ name: "a/x", mode: 0o060644 }], /regular file or a folder/],
    ["is a folder by its mode alone", [{ name: "a/x", mode: 0o040755 }], /regular file or a folder/],
    ["is a folder with content", [{ name: "a/", mode: 0o040755 }], /a folder that has content/],
    ["is encrypted", [{ name: "a/x", flags: 1 }], /is encrypted/],
    ["is strongly encrypted", [{ name: "a/x", flags: 0x41 }], /encrypt/],
    ["is packed in another way", [{ name: "a/x", method: 12 }], /only deflate/],
    [
      "is larger than it says",
      [{ name: "a/x", content: text, says: { bytes: 5 } }],
      /not what the archive says/,
    ],
    [
      "is smaller than it says",
      [{ name: "a/x", content: text, says: { bytes: 500 } }],
      /not what the archive says/,
    ],
    ["has another sum", [{ name: "a/x", content: text, says: { crc: 7 } }], /not what the archive says/],
    ["ends early", [{ name: "a/x", content: text, says: { packed: packed - 3 } }], /cannot be unpacked/],
    ["goes on behind the end", [{ name: "a/x", content: text, says: { packed: 5_000 } }], /damaged/],
    ["is elsewhere", [{ name: "a/x", offset: 7 }], /damaged/],
    ["is called something else beside it", [{ name: "a/x", local: { name: "a/y" } }], /contradicts itself/],
    ["has another size beside it", [{ name: "a/x", local: { bytes: 9 } }], /contradicts itself/],
    ["is packed in another way beside it", [{ name: "a/x", local: { method: 0 } }], /contradicts itself/],
    [
      "has a descriptor that lies",
      [{ name: "a/x", content: text, flags: 8, descriptor: descriptorOf(text, 9) }],
      /behind this file/,
    ],
    ["has no descriptor", [{ name: "a/x", content: text, flags: 8 }], /behind this file/],
    ["is the same bytes as another", [{ name: "a/x" }, { name: "a/x", offset: 0 }], /overlaps/],
    ["is too large", [{ name: "a/x", content: large }], /larger than/],
    [
      "is too large, and does not say so",
      [{ name: "a/x", content: large, says: { bytes: 10 } }],
      /larger than/,
    ],
    [
      "is too large together",
      [1, 2, 3].map((n) => ({ name: `a/${n}`, content: Buffer.alloc(limits.skill_bytes_max / 2) })),
      /larger than/,
    ],
    [
      "is too many",
      Array.from({ length: limits.skill_zip_entries_max + 1 }, (_, n) => ({ name: `a/${n}` })),
      /entries/,
    ],
  ];
  for (const [what, members, says] of cases) test(what, () => assertRefused(zipOf(members), says));

  test("is no archive any more", async () => {
    const archive = zipOf([{ name: "a/x" }]);
    await assertRefused(archive.subarray(0, -1), /damaged/);
    await assertRefused(Buffer.concat([archive, Buffer.from("x")]), /damaged/);
    await assertRefused(zipOf([{ name: "a/x" }], { entries: 2 }), /damaged/);
  });
});

test("whatever is changed in an archive, it is refused or taken, and nothing else happens", async () => {
  const good = zipOf([
    { name: "a/SKILL.md", content: Buffer.from("---\nname: a\ndescription: d\n---\n") },
    { name: "a/x", content: text, flags: 8, descriptor: descriptorOf(text, packed) },
    { name: "a/y", content: text, method: 0, extra: Buffer.from([1, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8]) },
  ]);
  let seed = 20_261_122;
  const below = (most: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % most;
  };
  let taken = 0;
  for (let n = 0; n < 4_000; n += 1) {
    const bad = Buffer.from(good);
    for (let i = 0; i <= below(3); i += 1)
      bad[below(bad.length)] = [0, 0xff, 1, 0x50, below(256)][below(5)] ?? 0;
    const cut = below(10) === 0 ? bad.subarray(0, below(bad.length)) : bad;
    try {
      await folderOf([{ name: "a.zip", content: cut }]);
      taken += 1;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
  assert.ok(taken > 0 && taken < 3_000, `${taken} were taken`);
});
