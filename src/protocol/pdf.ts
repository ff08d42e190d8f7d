import { base64Bytes, base64Length } from "./base64.ts";

/** Readers look for the header within so many bytes. */
const header_bytes = 1_024;
/** How much is looked at of the end, and of the newest cross-reference, whose place the end says. */
const window_bytes = 16 << 10;

/** Why nobody could read a PDF in base64, as far as its head and its trailer say; or null. */
export function pdfProblem(data: string): string | null {
  const latin1 = (start: number, length: number) =>
    base64Bytes(data, Math.max(0, start), length).toString("latin1");
  if (!latin1(0, header_bytes).includes("%PDF-")) {
    return "does not begin as a PDF does (%PDF-): send the bytes of the file, and its own media_type";
  }
  const tail = latin1(base64Length(data) - window_bytes, window_bytes);
  const end = tail.lastIndexOf("startxref");
  const trailer = end < 0 ? -1 : tail.lastIndexOf("trailer", end);
  const place = /^startxref\s+(\d{1,10})/.exec(tail.slice(end))?.[1];
  const encrypted =
    (trailer >= 0 && namesEncryption(tail.slice(trailer, end))) ||
    (place !== undefined && namesEncryption(dictionaryIn(latin1(Number(place), window_bytes))));
  return encrypted ? "is encrypted, and a model cannot read it: send the PDF without its password" : null;
}

/** A cross-reference is a table with its trailer, or an object that goes over into a stream. */
function dictionaryIn(reference: string): string {
  const [dictionary = ""] = reference.split(/stream|startxref/, 1);
  return /^\s*(xref|\d+\s+\d+\s+obj)\b/.test(dictionary) ? dictionary : "";
}

const namesEncryption = (dictionary: string) => /\/Encrypt(?![A-Za-z])/.test(dictionary);
