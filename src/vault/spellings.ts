/** A text as programs and servers write it into what they send. */
export type Spelling = (text: string) => Buffer;

/** In which a secret is recognised. Whatever else somebody makes of it (compressed, reversed, encoded twice) is not. */
export const spellings: readonly Spelling[] = [
  (text) => Buffer.from(text),
  // In UTF-16, without the byte by which the two kinds differ where it is as in Latin-1.
  (text) => Buffer.from(text, "utf16le").subarray(0, -1),
  (text) => Buffer.from(text, "utf16le").swap16().subarray(1),
  ...[0, 1, 2].flatMap((offset) => [
    (text: string) => withinBase64(text, offset, "base64"),
    (text: string) => withinBase64(text, offset, "base64url"),
  ]),
  (text) => Buffer.from(Buffer.from(text).toString("hex")),
  (text) => Buffer.from(Buffer.from(text).toString("hex").toUpperCase()),
  // As browsers and `encodeURIComponent`, forms, RFC 3986, Go's path segments and those who take no risk do it.
  ...[
    /[A-Za-z0-9\-_.!~*'()]/,
    /[A-Za-z0-9\-_.*]/,
    /[A-Za-z0-9\-_.~]/,
    /[A-Za-z0-9\-_.~$&+:=@]/,
    /[A-Za-z0-9]/,
    /[^\s\S]/,
  ].flatMap((plain) => [
    percentEncoding(plain, "%20", (hex) => hex.toUpperCase()),
    percentEncoding(plain, "%20", (hex) => hex),
    percentEncoding(plain, "+", (hex) => hex.toUpperCase()),
  ]),
  (text) => Buffer.from(withinJson(text)),
  (text) => Buffer.from(withinJson(text).replaceAll("/", "\\/")),
  (text) => Buffer.from(inAscii(withinJson(text))),
  (text) => Buffer.from(inAscii(withinJson(text)).replaceAll("/", "\\/")),
  // Go's.
  (text) => Buffer.from(withinJson(text).replace(/[<>&]/g, unicodeEscape)),
  // Between tags; and in attributes, as PHP, Python, XML and Go have them.
  (text) => Buffer.from(withinHtml(text, { quote: '"', apostrophe: "'" })),
  ...["'", "&#39;", "&#039;", "&#x27;", "&apos;"].map(
    (apostrophe): Spelling =>
      (text) =>
        Buffer.from(withinHtml(text, { quote: "&quot;", apostrophe })),
  ),
  (text) => Buffer.from(withinHtml(text, { quote: "&#34;", apostrophe: "&#39;" })),
];

/**
 * The characters that stand for it alone, wherever a longer text that is encoded as a whole has it: after so many bytes that
 * `offset` are left when divided by three. Its first and last bits may share a character with its neighbours'; that one is left out.
 */
function withinBase64(text: string, offset: number, alphabet: "base64" | "base64url"): Buffer {
  const bytes = Buffer.from(text);
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString(alphabet);
  const [first, end] = [Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6)];
  return Buffer.from(encoded.slice(first, end));
}

/** `plain`: characters that stay as they are. */
function percentEncoding(plain: RegExp, space: string, hexIn: (lower: string) => string): Spelling {
  const spelled = Array.from({ length: 256 }, (_, byte) => {
    const char = String.fromCharCode(byte);
    if (plain.test(char)) return char;
    return char === " " ? space : `%${hexIn(byte.toString(16).padStart(2, "0"))}`;
  });
  return (text) => {
    let encoded = "";
    for (const byte of Buffer.from(text)) encoded += spelled[byte];
    return Buffer.from(encoded);
  };
}

const withinJson = (text: string): string => JSON.stringify(text).slice(1, -1);

const unicodeEscape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

const inAscii = (text: string): string => text.replace(/[^\x00-\x7f]/g, unicodeEscape);

const withinHtml = (text: string, { quote, apostrophe }: { quote: string; apostrophe: string }): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', quote)
    .replaceAll("'", apostrophe);
