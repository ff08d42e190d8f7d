/** A text as programs and servers write it into what they send. */
export type Spelling = (text: string) => Buffer;

/** In which a secret is recognised. Whatever else somebody makes of it (compressed, reversed, encoded twice) is not. */
export const spellings: readonly Spelling[] = [
  (text) => Buffer.from(text),
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
    (text: string) => percentEncoded(text, plain),
    (text: string) => lowerHex(percentEncoded(text, plain)),
    (text: string) => Buffer.from(percentEncoded(text, plain).toString("latin1").replaceAll("%20", "+")),
  ]),
  (text) => Buffer.from(withinJson(text)),
  (text) => Buffer.from(withinJson(text).replaceAll("/", "\\/")),
  (text) => Buffer.from(inAscii(withinJson(text))),
  (text) => Buffer.from(inAscii(withinJson(text)).replaceAll("/", "\\/")),
  // Go's.
  (text) => Buffer.from(withinJson(text).replace(/[<>&]/g, unicodeEscape)),
  (text) => Buffer.from(withinHtml(text, "&#39;")),
  (text) => Buffer.from(withinHtml(text, "&#x27;")),
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

function percentEncoded(text: string, plain: RegExp): Buffer {
  const spelled = Array.from(Buffer.from(text), (byte) => {
    const char = String.fromCharCode(byte);
    return plain.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return Buffer.from(spelled.join(""));
}

const lowerHex = (percentEncoded: Buffer): Buffer =>
  Buffer.from(percentEncoded.toString("latin1").replace(/%../g, (each) => each.toLowerCase()));

const withinJson = (text: string): string => JSON.stringify(text).slice(1, -1);

const unicodeEscape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

const inAscii = (text: string): string => text.replace(/[^\x00-\x7f]/g, unicodeEscape);

const withinHtml = (text: string, apostrophe: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", apostrophe);
