import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../limits.ts";
import { toolResultContentBlock, userContentBlock } from "./content.ts";
import { sendEventsBody } from "./events.ts";

const beginnings = {
  "image/png": "\x89PNG\r\n\x1a\n",
  "image/jpeg": "\xff\xd8\xff\xe0",
  "image/gif": "GIF89a",
  "image/webp": "RIFF\n\0\0\0WEBPVP8 ",
};

const base64 = (latin1: string) => Buffer.from(latin1, "latin1").toString("base64");
const block = (type: string, media_type: string, data: string) => ({
  type,
  source: { type: "base64", media_type, data },
});

/** `path: message` of the first thing wrong. */
function problem(result: ReturnType<typeof userContentBlock.safeParse | typeof sendEventsBody.safeParse>) {
  const issue = result.error?.issues[0];
  return issue && `${issue.path.join(".")}: ${issue.message}`;
}

describe("an image", () => {
  for (const [media_type, beginning] of Object.entries(beginnings)) {
    test(`is taken as ${media_type} only if it begins as one`, () => {
      for (const [actual, other] of Object.entries(beginnings)) {
        const image = block("image", media_type, base64(`${other}${"x".repeat(100)}`));
        const fits = actual === media_type;
        assert.equal(userContentBlock.safeParse(image).success, fits, actual);
        assert.equal(toolResultContentBlock.safeParse(image).success, fits, actual);
      }
      const short = block("image", media_type, base64(beginning.slice(0, 2)));
      assert.match(
        problem(userContentBlock.safeParse(short)) ?? "",
        /^source\.data: does not begin as a file of its media_type/,
      );
    });
  }
});

describe("a document", () => {
  test("is a PDF or plain text", () => {
    for (const media_type of ["application/pdf", "text/plain"]) {
      assert.ok(userContentBlock.safeParse(block("document", media_type, base64("x"))).success);
    }
  });

  test("of another type is refused, with the types that there are", () => {
    const said = problem(userContentBlock.safeParse(block("document", "application/zip", base64("x"))));
    assert.match(said ?? "", /^source\.media_type: .*"application\/pdf"\|"text\/plain"/);
  });
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
