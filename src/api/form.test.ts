import assert from "node:assert/strict";
import { PassThrough, type Readable } from "node:stream";
import { mock, test } from "node:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import { ApiError } from "../protocol/errors.ts";
import { readJson } from "./body.ts";
import { type FormFile, readForm } from "./form.ts";

const boundary = "xyz";
const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
const bounds = { files: ["file"], bytes_max: 1 << 20, parts_max: 10 };

const arriving = () => Object.assign(new PassThrough(), { headers });

async function take({ content, ...about }: FormFile) {
  const chunks: Buffer[] = [];
  for await (const chunk of content as Readable) chunks.push(chunk);
  return { ...about, content: Buffer.concat(chunks), async discard() {} };
}

const formOf = (content: Buffer) =>
  Buffer.concat([
    Buffer.from(`preamble\r\n--${boundary}\r\nContent-Disposition: form-data; name="before"\r\n\r\none\r\n`),
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n`),
    Buffer.from("Content-Type: application/pdf\r\n\r\n"),
    content,
    Buffer.from(`\r\n--${boundary}\r\nContent-Disposition: form-data; name="after"\r\n\r\ntwo\r\n`),
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="after"\r\n\r\nthree\r\n`),
    Buffer.from(`--${boundary}--\r\nepilogue`),
  ]);

test("a form is the same in whatever pieces it arrives, and whatever its file holds", async () => {
  const tricky = [..."\r\n--xyz", ..."\r\n--xy", ..."--xyz--", "\r", "\n", "-", "x", "\0"].map((text) =>
    Buffer.from(text),
  );
  const contents = fc
    .array(fc.constantFrom(...tricky), { maxLength: 60 })
    .map((parts) => Buffer.concat(parts))
    // What is the boundary, ends the file.
    .filter((content) => !`\r\n${content.toString("latin1")}\r\n`.includes(`\r\n--${boundary}`));
  const cuts = fc.array(fc.nat({ max: 600 }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(contents, cuts, async (content, places) => {
      const whole = formOf(content);
      const incoming = arriving();
      const reading = readForm(incoming, bounds, take);
      let from = 0;
      for (const to of places.toSorted((a, b) => a - b)) {
        incoming.write(whole.subarray(from, to));
        from = Math.max(from, Math.min(to, whole.length));
        await new Promise(setImmediate);
      }
      incoming.end(whole.subarray(from));
      const { fields, taken } = await reading;
      assert.deepEqual(fields, { before: "one", after: ["two", "three"] });
      assert.equal(taken.length, 1);
      const [file] = taken;
      assert.deepEqual([file?.field, file?.filename, file?.mime_type], ["file", "a.bin", "application/pdf"]);
      assert.deepEqual(file?.content, content);
    }),
    { numRuns: 150 },
  );
});

const isTimeout = (error: unknown) =>
  error instanceof ApiError && error.status === 400 && error.details?.error_code === "request_body_timeout";

test("a form of which nothing more comes is given up, and what was taken of it", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const incoming = arriving();
    let discarded = 0;
    const reading = readForm(incoming, bounds, async (file) => {
      const taken = await take(file);
      return {
        ...taken,
        async discard() {
          discarded += 1;
        },
      };
    });
    const refused = assert.rejects(reading, isTimeout);
    incoming.write(formOf(Buffer.from("content")).subarray(0, -20));
    for (let n = 0; n < 50; n += 1) await new Promise(setImmediate);
    mock.timers.tick(limits.upload_idle_ms);
    await refused;
    assert.equal(discarded, 1);
  } finally {
    mock.timers.reset();
  }
});

test("a body of JSON that does not come to its end is given up", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("{")) });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body, duplex: "half" };
    const refused = assert.rejects(
      readJson(new Request("http://localhost/", init as RequestInit)),
      isTimeout,
    );
    for (let n = 0; n < 50; n += 1) await new Promise(setImmediate);
    mock.timers.tick(limits.request_body_ms_max);
    await refused;
  } finally {
    mock.timers.reset();
  }
});
