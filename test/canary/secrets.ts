import { randomBytes } from "node:crypto";
import { createFinder, type Found, type Needle } from "../../src/vault/find.ts";

/** What is looked for, in all the ways in which it might be written down. */
export interface Canaries {
  /** One more, from now on: a text, or bytes that are no text. */
  add(name: string, secret: string | Buffer): void;
  has(name: string): boolean;
  names(): string[];
  /** Those that stand in it, as `name, spelling`. */
  in(bytes: Buffer): Set<string>;
}

interface Canary extends Needle {
  says: string;
}

/** Of fewer bytes anything could be one by chance. */
const bytesMin = 12;

export function createCanaries(): Canaries {
  const needles: Canary[] = [];
  const names = new Set<string>();
  let finder: ReturnType<typeof createFinder<Canary>> | null = null;
  return {
    add(name, secret) {
      names.add(name);
      const known = new Set(needles.map(({ bytes }) => bytes.toString("latin1")));
      for (const [spelling, bytes] of spellingsOf(secret))
        if (bytes.length >= bytesMin && !known.has(bytes.toString("latin1"))) {
          known.add(bytes.toString("latin1"));
          needles.push({ bytes, instead: bytes, says: `${name}, ${spelling}` });
        }
      finder = null;
    },
    has: (name) => names.has(name),
    names: () => [...names],
    in(bytes) {
      finder ??= createFinder(needles, bytesMin);
      return new Set(finder.all(bytes).map(({ needle }: Found<Canary>) => needle.says));
    },
  };
}

export const random = (length = 28) => randomBytes(length).toString("base64url").slice(0, length);

/** Not those of the code under test: what that forgets is to be found. */
export function spellingsOf(secret: string | Buffer): [string, Buffer][] {
  const bytes = Buffer.from(secret as string);
  const hex = bytes.toString("hex");
  const anyBytes: [string, Buffer][] = [
    ["as it is", bytes],
    ["hex", Buffer.from(hex)],
    ["hex in capitals", Buffer.from(hex.toUpperCase())],
    ["hex in pairs", Buffer.from(hex.replace(/..(?!$)/g, "$&:"))],
    ["hex in words", Buffer.from(hex.replace(/..(?!$)/g, "$& "))],
    ["hex for PostgreSQL", Buffer.from(hex.replace(/../g, "\\x$&"))],
    ["reversed", Buffer.from(bytes.toReversed())],
    ...[0, 1, 2].flatMap((offset): [string, Buffer][] => [
      [`base64 at ${offset}`, inBase64(bytes, offset, "base64")],
      [`base64url at ${offset}`, inBase64(bytes, offset, "base64url")],
      [`base64 of the reversed at ${offset}`, inBase64(Buffer.from(bytes.toReversed()), offset, "base64")],
    ]),
  ];
  if (typeof secret !== "string") return anyBytes;
  const json = JSON.stringify(secret).slice(1, -1);
  const percent = (plain: RegExp) =>
    [...secret].map((char) => (plain.test(char) ? char : `%${char.charCodeAt(0).toString(16)}`)).join("");
  const half = Math.floor(secret.length / 2);
  const texts: [string, string][] = [
    ["JSON", json],
    ["JSON with slashes", json.replaceAll("/", "\\/")],
    ["JSON in JSON", JSON.stringify(json).slice(1, -1)],
    [
      "JSON in numbers",
      [...secret].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
    ],
    ["percent", encodeURIComponent(secret)],
    ["percent in small letters", percent(/[A-Za-z0-9\-_.~]/)],
    ["percent in a form", new URLSearchParams({ x: secret }).toString().slice(2)],
    ["percent throughout", percent(/[^\s\S]/).toUpperCase()],
    ["percent throughout in small letters", percent(/[^\s\S]/)],
    ["HTML", inHtml(secret)],
    ["HTML in an attribute", inHtml(secret).replaceAll('"', "&quot;")],
    ["in small letters", secret.toLowerCase()],
    ["in capitals", secret.toUpperCase()],
    ["with spaces", [...secret].join(" ")],
    ["its first half", secret.slice(0, Math.max(half, 16))],
    ["its last half", secret.slice(-Math.max(half, 16))],
  ];
  return [
    ...anyBytes,
    ...texts.map(([name, text]): [string, Buffer] => [name, Buffer.from(text)]),
    ["UTF-16", Buffer.from(secret, "utf16le")],
    ["UTF-16, the other way round", Buffer.from(Buffer.from(secret, "utf16le")).swap16()],
  ];
}

const inHtml = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** The characters that it alone decides, so many bytes after the beginning of what is encoded. */
function inBase64(bytes: Buffer, offset: number, alphabet: "base64" | "base64url"): Buffer {
  const all = Buffer.concat([Buffer.alloc(offset), bytes]).toString(alphabet);
  return Buffer.from(all.slice(Math.ceil((offset * 4) / 3), Math.floor(((offset + bytes.length) * 4) / 3)));
}
