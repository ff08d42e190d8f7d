import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { answerName } from "./dns.ts";

const types = { A: 1, TXT: 16, AAAA: 28, ANY: 255 };

function question(name: string, type: keyof typeof types): Buffer {
  const header = Buffer.from([0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
  const labels = name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, types[type], 0, 1])]);
}

function answerTo(message: Buffer) {
  const answer = answerName(message);
  if (!answer) return null;
  return {
    id: answer.readUInt16BE(0).toString(16),
    flags: answer.readUInt16BE(2).toString(16),
    answers: answer.readUInt16BE(6),
    address: answer.readUInt16BE(6) === 1 ? answer.subarray(-4).join(".") : null,
  };
}

test("every name has one address, and nothing else", () => {
  const found = { id: "abcd", flags: "8180", answers: 1, address: "127.0.0.80" };
  assert.deepEqual(answerTo(question("registry.npmjs.org", "A")), found);
  assert.deepEqual(answerTo(question("c2VjcmV0.attacker.example", "A")), found);
  for (const type of ["AAAA", "TXT", "ANY"] as const)
    assert.deepEqual(answerTo(question("example.com", type)), { ...found, answers: 0, address: null });
});

test("localhost stays what it is", () => {
  assert.equal(answerTo(question("localhost", "A"))?.address, "127.0.0.1");
  assert.equal(answerTo(question("a.LOCALHOST", "A"))?.address, "127.0.0.1");
});

test("what is no question is not answered", () => {
  const whole = question("example.com", "A");
  for (let length = 0; length < whole.length; length += 1)
    assert.equal(answerName(whole.subarray(0, length)), null);
  const pointing = Buffer.concat([whole.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]);
  assert.equal(answerName(pointing), null);
  const response = Buffer.from(whole);
  response.writeUInt8(0x81, 2);
  assert.equal(answerName(response), null);
  assert.equal(answerName(question(Array(40).fill("abcdefg").join("."), "A")), null);
  for (let n = 0; n < 2_000; n += 1) answerName(randomBytes(n % 300));
});
