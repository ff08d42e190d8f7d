import assert from "node:assert/strict";
import { test } from "node:test";
import { pdfProblem } from "./pdf.ts";
import { pdf } from "./testing-images.ts";

const encoded = (text: string) => Buffer.from(text, "latin1").toString("base64");
const decoded = (data: string) => Buffer.from(data, "base64").toString("latin1");

test("a PDF is taken, whatever says where its objects are", () => {
  const linearized = decoded(pdf("table")).replace("startxref", `${" ".repeat(40_000)}startxref`);
  for (const data of [
    pdf("table"),
    pdf("stream"),
    pdf("table", "/EncryptMetadata false "),
    encoded(`junk before it\n${decoded(pdf("table"))}`),
    encoded(`${decoded(pdf("table"))}junk behind it`),
    encoded(linearized),
    encoded("%PDF-1.4\nand no trailer"),
    encoded("%PDF-1.4\nabout /Encrypt and startxref\n9999999999\n%%EOF"),
  ]) {
    assert.equal(pdfProblem(data), null, decoded(data));
  }
});

test("an encrypted PDF is told from others", () => {
  const linearized = decoded(pdf("table", "/Encrypt 3 0 R ")).replace(
    "startxref",
    `startxref\n0\n%%EOF\n${"x".repeat(40_000)}\nstartxref`,
  );
  for (const data of [
    pdf("table", "/Encrypt 3 0 R "),
    pdf("stream", "/Encrypt 3 0 R "),
    pdf("table", "/Encrypt<< /Filter /Standard >> "),
    encoded(linearized),
    encoded(decoded(pdf("table", "/Encrypt 3 0 R ")).replace(/startxref\n\d+/, "startxref\n0")),
  ]) {
    assert.match(pdfProblem(data) ?? "", /^is encrypted/, decoded(data));
  }
});

test("what does not begin as a PDF is none", () => {
  for (const text of ["", "%PD", "hello", `${" ".repeat(1_024)}%PDF-1.7`]) {
    assert.match(pdfProblem(encoded(text)) ?? "", /^does not begin as a PDF does/);
  }
});
