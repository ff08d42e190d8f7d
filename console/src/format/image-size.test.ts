import assert from "node:assert/strict";
import { test } from "node:test";
import { base64Bytes, imageSize, mayShow } from "./image-size.ts";

const png = (width: number, height: number): Uint8Array => {
  const bytes = Buffer.alloc(24);
  bytes.write("\x89PNG\r\n\x1a\n", "latin1");
  bytes.write("IHDR", 12, "latin1");
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return bytes;
};
const jpeg = Buffer.from("ffd8ffe000104a46494600010100000100010000ffc0000b080258032001012200", "hex");
/** Of a screen of this size, with an extension and one frame. */
const gifOf = (screen: string, frame: string) =>
  Buffer.from(
    `474946383961${screen}800000000000ffffff21f9040000000000 2c00000000${frame}00`.replaceAll(" ", ""),
    "hex",
  );
const gif = gifOf("20035802", "20035802");
const webp = Buffer.concat([
  Buffer.from("RIFF\0\0\0\0WEBPVP8X", "latin1"),
  Buffer.from("0a00000000000000 1f0300 570200".replaceAll(" ", ""), "hex"),
]);

test("the four kinds of pictures say how large they are", () => {
  for (const bytes of [png(800, 600), jpeg, gif, webp])
    assert.deepEqual(imageSize(bytes), { width: 800, height: 600 });
});

test("what would take too much memory, or does not say what it would, is not shown", () => {
  assert.equal(mayShow(png(800, 600)), true);
  for (const bytes of [
    png(60_000, 60_000),
    png(8_000, 8_000),
    png(0, 10),
    png(10, 10).subarray(0, 18),
    Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"),
    jpeg.subarray(0, 21),
    // Browsers take the larger one of the screen and its frame, and pass over a marker that has no length.
    gifOf("01000100", "30753075"),
    gif.subarray(0, 13),
    Buffer.concat([Buffer.from("ffd8ff01", "hex"), jpeg.subarray(2)]),
    new Uint8Array(),
  ])
    assert.equal(mayShow(bytes), false);
});

test("of base64 only the beginning is read", () => {
  const data = Buffer.from("a picture").toString("base64");
  assert.equal(Buffer.from(base64Bytes(data, 3)).toString(), "a p");
  assert.equal(base64Bytes("%%%%", 3).length, 0);
});
