import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../limits.ts";
import { toolResultContentBlock, userContentBlock } from "./content.ts";
import { sendEventsBody } from "./events.ts";
import { gif, jpeg, pdf, png, webp } from "./testing-images.ts";

const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");
const block = (type: string, media_type: string, data: string) => ({
  type,
  source: { type: "base64", media_type, data },
});

/** `path: message` of the first thing wrong. */
function problem(result: ReturnType<typeof userContentBlock.safeParse | typeof sendEventsBody.safeParse>) {
  const issue = result.error?.issues[0];
  return issue && `${issue.path.join(".")}: ${issue.message}`;
}

const said = (sent: object) => problem(userContentBlock.safeParse(sent)) ?? "";

const images = { "image/png": png, "image/jpeg": jpeg, "image/gif": gif, "image/webp": webp };

describe("an image", () => {
  for (const [media_type, make] of Object.entries(images)) {
    test(`is taken as ${media_type} only if it is one`, () => {
      for (const [actual, other] of Object.entries(images)) {
        const image = block("image", media_type, other(8, 8));
        const fits = actual === media_type;
        assert.equal(userContentBlock.safeParse(image).success, fits, actual);
        assert.equal(toolResultContentBlock.safeParse(image).success, fits, actual);
      }
      assert.match(
        said(block("image", media_type, make(8, 8).slice(0, 4))),
        /^source\.data: (does not begin as a file of its media_type|cannot be read)/,
      );
    });

    test(`of type ${media_type} is taken up to the longest side that a model takes, and must have one`, () => {
      const max = limits.image_side_px_max;
      assert.equal(said(block("image", media_type, make(max, max))), "");
      for (const [width, height] of [
        [max + 1, 1],
        [1, max + 1],
      ] as const) {
        assert.equal(
          said(block("image", media_type, make(width, height))),
          `source.data: is an image of ${width} by ${height} pixels: scale it so that no side is longer than 8000`,
        );
      }
      assert.match(
        said(block("image", media_type, make(0, 8))),
        /^source\.data: is an image of 0 by 8 pixels/,
      );
    });
  }

  test("is taken up to the size that a model takes", () => {
    const bytes = (limits.image_base64_chars_max / 4) * 3 - 33;
    assert.equal(said(block("image", "image/png", png(8, 8, bytes))), "");
    assert.equal(
      said(block("image", "image/png", png(8, 8, bytes + 1))),
      "source.data: is larger than 10 MB of base64: send a smaller file",
    );
  });
});

describe("a document", () => {
  test("is a PDF or plain text", () => {
    assert.equal(said(block("document", "application/pdf", pdf("table"))), "");
    assert.equal(said(block("document", "text/plain", base64("x"))), "");
    assert.equal(
      said({ type: "document", source: { type: "text", media_type: "text/plain", data: "x" } }),
      "",
    );
  });

  test("of another type is refused, with the types that there are", () => {
    const sent = block("document", "application/zip", base64("x"));
    assert.match(said(sent), /^source\.media_type: .*"application\/pdf"\|"text\/plain"/);
  });

  test("without text, or with what is no text, is refused", () => {
    const empty = /^source\.data: has no text/;
    assert.match(said(block("document", "text/plain", base64(" \n"))), empty);
    assert.match(
      said({ type: "document", source: { type: "text", media_type: "text/plain", data: "" } }),
      empty,
    );
    assert.match(
      said({ type: "document", source: { type: "text", media_type: "text/plain", data: "\n\t" } }),
      empty,
    );
    assert.match(
      said(block("document", "text/plain", base64("\xff\xfe"))),
      /^source\.data: is not text in UTF-8/,
    );
  });

  test("is taken up to a size", () => {
    const max = limits.media_chars_max;
    const text = "A".repeat(max);
    assert.equal(said(block("document", "text/plain", text)), "");
    assert.match(said(block("document", "text/plain", `${text}AAAA`)), /^source\.data: is larger than 24 MB/);
  });
});

describe("what comes together in one event", () => {
  const small = block("image", "image/png", png(2_000, 2_000));
  const large = block("image", "image/png", png(2_001, 10));
  const heavy = block("image", "image/png", png(8, 8, 7 << 20));
  const event = (content: object[]) =>
    problem(sendEventsBody.safeParse({ events: [{ type: "user.message", content }] }));
  const times = (count: number, image: object) => Array.from({ length: count }, () => image);

  test("is at most as many images as a model takes at once", () => {
    assert.equal(event(times(100, small)), undefined);
    assert.equal(event(times(101, small)), "events.0.content: must hold at most 100 images");
    assert.equal(event([...times(19, small), large]), undefined);
    assert.equal(
      event([...times(20, small), large]),
      "events.0.content: must hold at most 20 images, unless each is scaled so that no side is longer than 2000 pixels",
    );
    assert.equal(event(times(2, heavy)), undefined);
    assert.equal(
      event(times(3, heavy)),
      "events.0.content: must hold at most 24 MB of images and documents together",
    );
  });

  test("counts in a tool's result as well", () => {
    for (const type of ["user.tool_result", "user.custom_tool_result"]) {
      const id = type === "user.tool_result" ? "tool_use_id" : "custom_tool_use_id";
      const sent = { events: [{ type, [id]: "sevt_01x", content: times(101, small) }] };
      assert.equal(problem(sendEventsBody.safeParse(sent)), "events.0.content: must hold at most 100 images");
    }
  });
});

test("a tool may find nothing", () => {
  for (const block of [
    { type: "text", text: "" },
    {
      type: "search_result",
      title: "",
      source: "",
      content: [{ type: "text", text: "" }],
      citations: { enabled: true },
    },
    { type: "search_result", title: "", source: "", content: [], citations: { enabled: false } },
  ]) {
    assert.equal(toolResultContentBlock.safeParse(block).success, true);
  }
});

describe("the blocks of one event", () => {
  const senders = {
    "user.message": {},
    "user.tool_result": { tool_use_id: "sevt_01x" },
    "user.custom_tool_result": { custom_tool_use_id: "sevt_01x" },
    "system.message": {},
  };
  for (const [type, fields] of Object.entries(senders)) {
    test(`of type ${type} are limited`, () => {
      const send = (blocks: number) => {
        const content = Array.from({ length: blocks }, () => ({ type: "text", text: "x" }));
        return problem(sendEventsBody.safeParse({ events: [{ type, ...fields, content }] }));
      };
      assert.equal(send(limits.content_blocks_max), undefined);
      assert.equal(
        send(limits.content_blocks_max + 1),
        `events.0.content: must hold at most ${limits.content_blocks_max} blocks`,
      );
    });
  }
});
