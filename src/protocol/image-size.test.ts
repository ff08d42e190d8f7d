import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { base64Bytes, base64Length, base64Problem, base64Reader } from "./base64.ts";
import { beginsAs, type ImageType, imageSize, imageTypes } from "./image-size.ts";
import { extendedWebp, gif, jpeg, losslessWebp, png, segment, webp } from "./testing-images.ts";

const encoded = (bytes: Buffer) => bytes.toString("base64");
const decoded = (data: string) => Buffer.from(data, "base64");

/** Whole images of one pixel, made by others. */
const whole: [ImageType, string][] = [
  [
    "image/png",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  ],
  ["image/gif", "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"],
  ["image/webp", "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"],
  ["image/webp", "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="],
  [
    "image/webp",
    "UklGRkoAAABXRUJQVlA4WAoAAAAQAAAAAAAAAAAAQUxQSAwAAAARBxAR/Q9ERP8DAABWUDggGAAAABQBAJ0BKgEAAQAAAP4AAA3AAP7mtQAAAA==",
  ],
];

type Make = (width: number, height: number) => string;
const made: Record<string, [ImageType, Make]> = {
  "a PNG": ["image/png", png],
  "a GIF": ["image/gif", gif],
  "a WebP": ["image/webp", webp],
  "a lossless WebP": ["image/webp", losslessWebp],
  "an extended WebP": ["image/webp", extendedWebp],
  "a JPEG": ["image/jpeg", jpeg],
  "a progressive JPEG": ["image/jpeg", (w, h) => jpeg(w, h, [segment(0xc4, 30), segment(0xdb, 65)], 0xc2)],
  "a JPEG with a large profile": [
    "image/jpeg",
    (w, h) => jpeg(w, h, [segment(0xe0, 14), ...Array.from({ length: 9 }, () => segment(0xe2, 65_000))]),
  ],
  "a JPEG with fill bytes and lone markers": [
    "image/jpeg",
    (w, h) => jpeg(w, h, [Buffer.from("ffffffff01ff", "hex"), segment(0xe1, 5_000)]),
  ],
};

describe("the size of an image", () => {
  test("is read from whole files", () => {
    for (const [type, data] of whole) {
      assert.ok(beginsAs(type, data), data);
      assert.deepEqual(imageSize(type, data), { width: 1, height: 1 }, data);
    }
  });

  for (const [name, [type, make]] of Object.entries(made)) {
    test(`is read from ${name}`, () => {
      for (const [width, height] of [
        [1, 1],
        [37, 23],
        [8_000, 8_001],
        [16_383, 300],
      ] as const) {
        assert.deepEqual(imageSize(type, make(width, height)), { width, height });
      }
    });

    test(`of ${name} is not known when its head is cut short anywhere`, () => {
      const bytes = decoded(make(640, 480));
      let known = false;
      for (let end = 0; end <= bytes.length; end += 1) {
        if (end < bytes.length - 40 && end % 997 !== 0) continue;
        const size = imageSize(type, encoded(bytes.subarray(0, end)));
        if (size) assert.deepEqual(size, { width: 640, height: 480 }, `${end} bytes`);
        else assert.equal(known, false, `${end} bytes`);
        known = size !== null;
      }
      assert.equal(known, true);
    });
  }

  test("is not known when the head makes no sense", () => {
    const changed = (data: string, place: number) => {
      const bytes = decoded(data);
      bytes.writeUInt8((bytes[place] ?? 0) ^ 1, place);
      return encoded(bytes);
    };
    const nonsense: [ImageType, string][] = [
      ["image/png", changed(png(1, 1), 12)],
      ["image/webp", changed(webp(1, 1), 15)],
      ["image/webp", changed(webp(1, 1), 23)],
      ["image/webp", changed(losslessWebp(1, 1), 20)],
      ["image/jpeg", jpeg(1, 1, [Buffer.from("0102", "hex")])],
      ["image/jpeg", jpeg(1, 1, [segment(0xda, 10)])],
      ["image/jpeg", encoded(Buffer.concat([Buffer.from("ffd8", "hex"), Buffer.alloc(100_000, 0xff)]))],
    ];
    for (const [type, data] of nonsense) assert.equal(imageSize(type, data), null, data.slice(0, 80));
  });

  test("each type begins in its own way", () => {
    for (const [type, data] of [...whole, ["image/jpeg", jpeg(1, 1)] as const]) {
      assert.deepEqual(
        imageTypes.filter((candidate) => beginsAs(candidate, data)),
        [type],
      );
    }
  });
});

describe("base64", () => {
  test("is what decodes to the bytes and back", () => {
    for (let length = 1; length < 20; length += 1) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 89 + 7) % 256));
      assert.equal(base64Problem(encoded(bytes)), null);
      assert.equal(base64Length(encoded(bytes)), length);
      const read = base64Reader(encoded(bytes));
      for (let start = 0; start <= length + 3; start += 1) {
        assert.equal(read(start), bytes[start]);
        for (let count = 0; count <= length; count += 1) {
          const expected = bytes.subarray(start, start + count);
          assert.deepEqual(
            base64Bytes(encoded(bytes), start, count),
            expected,
            `${length} ${start} ${count}`,
          );
        }
      }
    }
  });

  test("a reader that jumps reads the same", () => {
    const bytes = Buffer.from(Array.from({ length: 30_000 }, (_, i) => (i * 31) % 251));
    const read = base64Reader(encoded(bytes));
    for (const place of [0, 29_999, 4_095, 4_096, 4_097, 12_345, 4_096, 29_998, 30_000]) {
      assert.equal(read(place), bytes[place], `${place}`);
    }
  });

  for (const text of [
    "",
    "A",
    "AA",
    "AAA",
    "AAAA=",
    "AAA=AAAA",
    "A===",
    "====",
    "AA=A",
    "AAA\n",
    "AA A",
    "AA-_",
    "data:image/png;base64,AAAA",
    `${"A".repeat(1 << 20)}*AAA`,
  ]) {
    test(`is not ${JSON.stringify(text.slice(0, 30))}`, () =>
      assert.match(base64Problem(text) ?? "", /base64/));
  }
});
