import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../limits.ts";
import { png } from "../protocol/testing-images.ts";
import { withinLimits } from "./media-limits.ts";
import type { ContentBlock, ModelMessage } from "./model.ts";

const image = (width = 8, height = 8): ContentBlock => ({
  type: "image",
  source: { type: "base64", media_type: "image/png", data: png(width, height) },
});
const document = (chars: number): ContentBlock => ({
  type: "document",
  source: { type: "base64", media_type: "application/pdf", data: "A".repeat(chars) },
});
const says = (...content: ContentBlock[]): ModelMessage => ({ role: "user", content });
const answers: ModelMessage = { role: "assistant", content: [{ type: "text", text: "I see." }] };
const times = <Item>(count: number, make: (i: number) => Item) =>
  Array.from({ length: count }, (_, i) => make(i));
const conversation = (count: number, make: (i: number) => ContentBlock[]) =>
  times(count, (i) => [says(...make(i)), answers]).flat();

/** What became of each image and document: `.` is left out. */
function fate(messages: ModelMessage[]): string {
  return withinLimits(messages)
    .flatMap(({ content }) =>
      content.flatMap((block) => (block.type === "tool_result" ? block.content : [block])),
    )
    .flatMap((block) => {
      if (block.type === "text") return block.text.startsWith("[The ") ? ["."] : [];
      return block.type === "image" ? ["i"] : block.type === "document" ? ["d"] : [];
    })
    .join("");
}

describe("a conversation with images", () => {
  test("is sent as it is, as long as the API takes it", () => {
    const messages = conversation(100, () => [image(2_000, 2_000)]);
    assert.deepEqual(withinLimits(messages), messages);
    const large = conversation(20, () => [image(8_000, 10)]);
    assert.deepEqual(withinLimits(large), large);
  });

  test("loses the oldest when there are too many, down to half of what may be", () => {
    assert.equal(fate(conversation(101, () => [image()])), ".".repeat(51) + "i".repeat(50));
    assert.equal(fate(conversation(150, () => [image()])), ".".repeat(51) + "i".repeat(99));
    assert.equal(fate(conversation(152, () => [image()])), ".".repeat(102) + "i".repeat(50));
  });

  test("loses the oldest when large ones are among too many", () => {
    const some = (count: number, large: number[]) =>
      fate(conversation(count, (i) => [large.includes(i) ? image(10, 2_001) : image()]));
    assert.equal(some(21, [20]), ".".repeat(11) + "i".repeat(10));
    assert.equal(some(21, [0]), `.${"i".repeat(20)}`);
    assert.equal(some(21, [8]), `${"i".repeat(8)}.${"i".repeat(12)}`);
    assert.equal(some(60, []), "i".repeat(60));
  });

  test("keeps all of the newest message, while that alone fits", () => {
    const messages = [
      ...conversation(10, () => [image(3_000, 10)]),
      says(...times(15, () => image(3_000, 10))),
    ];
    assert.equal(fate(messages), ".".repeat(10) + "i".repeat(15));
    assert.equal(
      fate([...messages.slice(0, -1), says(...times(25, () => image(3_000, 10)))]),
      ".".repeat(15) + "i".repeat(20),
    );
  });

  test("says where one was", () => {
    const [first] = withinLimits([
      says(image(), { type: "text", text: "look" }),
      says(...times(100, () => image())),
    ]);
    assert.deepEqual(
      first,
      says(
        {
          type: "text",
          text: "[The image that was here is left out: the model's provider takes only so many at once, and newer ones came.]",
        },
        { type: "text", text: "look" },
      ),
    );
  });
});

test("documents count by their size, and images leave them alone", () => {
  const third = limits.media_chars_max / 3;
  assert.equal(fate(conversation(3, () => [document(third)])), "ddd");
  assert.equal(fate(conversation(3, () => [document(third + 1)])), "..d");
  assert.equal(
    fate([says(document(10)), ...conversation(101, () => [image()])]),
    `d${".".repeat(51)}${"i".repeat(50)}`,
  );
});

test("what is in the results of tools counts too", () => {
  const result = (content: ContentBlock[]): ModelMessage => ({
    role: "user",
    content: [{ type: "tool_result", tool_use_id: "t", content, is_error: false }],
  });
  assert.equal(
    fate([result([image()]), answers, ...times(100, () => [result([image()]), answers]).flat()]),
    ".".repeat(51) + "i".repeat(50),
  );
});

test("what one request leaves out, those after it leave out as well", () => {
  const sizes = [8, 8, 8, 2_500, 8, 8, 8, 8, 8, 8];
  const messages = conversation(400, (i) =>
    times(1 + (i % 3), () => image(sizes[(i * 7) % sizes.length] ?? 8, 8)),
  );
  let beginnings = 0;
  for (let end = 1; end < messages.length; end += 2) {
    const shorter = withinLimits(messages.slice(0, end));
    const longer = withinLimits(messages.slice(0, end + 2));
    const left = fate(shorter).split(".").length;
    assert.ok(fate(longer).slice(0, fate(shorter).length).split(".").length >= left);
    if (JSON.stringify(longer.slice(0, end)) !== JSON.stringify(shorter)) beginnings += 1;
  }
  // 800 images, of which each new beginning leaves out ten or more.
  assert.ok(beginnings > 0 && beginnings <= 80, `${beginnings} new beginnings`);
});
