import { limits } from "../limits.ts";
import { createFinder, type Finder, type Found, type Needle } from "./find.ts";
import { type Spelling, spellings } from "./spellings.ts";

/** What is not to be seen. */
export interface Hidden {
  secret: string;
  /** What is shown instead where it is as long; else, and where there is none, asterisks are. */
  placeholder?: string;
}

/**
 * Takes secrets out of what comes from elsewhere, in the spellings that programs use.
 * I1. What is shown is as long as what came: no length that was announced becomes wrong.
 * I2. Secrets of fewer than `limits.redacted_bytes_min` bytes are not looked for: they could be anything.
 * I3. Of a secret of more than `limits.redacted_piece_bytes_max` bytes each part of about that size is taken out by itself, so
 *     no stream holds back more than that.
 */
export interface Redactor {
  readonly hidden: readonly Hidden[];
  readonly finder: Finder;
  /** False where there is nothing to look for. */
  readonly hides_any: boolean;
  /** Itself where nothing is found. */
  text(text: string): string;
  bytes(bytes: Buffer): Buffer;
  /** The value with all strings in it redacted, names too: whatever JSON can hold. */
  within<Value>(value: Value): Value;
  stream(): RedactorStream;
}

/** Redacts bytes as they come. Together, what it gives back is what `bytes` would make of all of them. */
export interface RedactorStream {
  /** All but the end of it that a secret may begin with. */
  push(chunk: Buffer): Buffer;
  /**
   * What is held back, when whoever listens has waited for more: of few bytes, which say nothing. More of them are a secret on
   * its way, most likely. If one follows, the rest of it is redacted.
   */
  early(): Buffer;
  end(): Buffer;
  /** From now on it hides what that one does. */
  renew(redactor: Redactor): void;
}

/** Hides these too, and as much as there is room for of what the one before did, which it is where nothing is new. */
export function redactorFrom(before: Redactor, hidden: readonly Hidden[]): Redactor {
  const known = new Map(before.hidden.map((each) => [each.secret, each.placeholder]));
  const isNew = hidden.some(
    ({ secret, placeholder }) => !known.has(secret) || known.get(secret) !== placeholder,
  );
  if (!isNew) return before;
  const now = new Set(hidden.map(({ secret }) => secret));
  let room = 2 * limits.session_secrets_bytes_max;
  const all = [...hidden, ...before.hidden.filter(({ secret }) => !now.has(secret))];
  return createRedactor(
    all.filter(({ secret }) => {
      room -= Buffer.byteLength(secret);
      return room >= 0;
    }),
  );
}

export function createRedactor(hidden: readonly Hidden[]): Redactor {
  const needles = needlesOf(hidden);
  const finder = createFinder(needles, limits.redacted_bytes_min);

  function bytes(all: Buffer): Buffer {
    const found = finder.all(all);
    if (found.length === 0) return all;
    const shown = Buffer.from(all);
    cover(shown, found, 0);
    return shown;
  }

  /** Half a surrogate pair is no UTF-8, and stays as it is. */
  const text = (text: string): string =>
    needles.length === 0
      ? text
      : text
          .split(/(\p{Surrogate})/u)
          .map((part, i) => (i % 2 === 1 ? part : wholeText(part)))
          .join("");

  function wholeText(text: string): string {
    const before = Buffer.from(text);
    const after = bytes(before);
    return after === before ? text : after.toString();
  }

  function within(value: unknown): unknown {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) return value.map(within);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [text(name), within(each)]));
  }

  function stream(): RedactorStream {
    /** What is held back, as it came and as it is to be shown. */
    let came: Buffer = Buffer.alloc(0);
    let shown: Buffer = came;
    /** How much of it needs nothing more: that is covered, or has gone out early. */
    let settled = 0;
    let gone = 0;
    let looking = finder;

    function take(chunk: Buffer, isEnd: boolean): Buffer {
      const all = came.length === 0 ? chunk : Buffer.concat([came, chunk]);
      const held = isEnd ? all.length : looking.beginning(all);
      // Within what is held back one is found again: a longer one may start before it.
      const found = looking.all(all).filter(({ start }) => start < held);
      // Whoever has given the chunk may still read it.
      const out = came.length === 0 && found.length === 0 ? chunk : Buffer.concat([shown, chunk]);
      const covered = cover(out, found, settled);
      const ready = out.subarray(Math.min(gone, held), held);
      came = Buffer.from(all.subarray(held));
      shown = Buffer.from(out.subarray(held));
      settled = Math.max(0, covered - held);
      gone = Math.max(0, gone - held);
      return ready;
    }

    return {
      push: (chunk) => take(chunk, false),
      early() {
        if (shown.length > limits.redacted_early_bytes_max) return Buffer.alloc(0);
        const ready = shown.subarray(gone);
        gone = shown.length;
        settled = Math.max(settled, gone);
        return ready;
      },
      end: () => take(Buffer.alloc(0), true),
      renew(redactor) {
        looking = redactor.finder;
      },
    };
  }

  return {
    hidden,
    finder,
    hides_any: needles.length > 0,
    text,
    bytes,
    within: (value) => within(value) as typeof value,
    stream,
  };
}

/** Puts what is to be shown over what was found, but for what is settled; how much is, then. Those found are in order. */
function cover(shown: Buffer, found: readonly Found[], settled: number): number {
  for (const { start, end, needle } of found) {
    const from = Math.max(start, settled);
    if (from >= end) continue;
    needle.instead.copy(shown, from, from - start);
    settled = end;
  }
  return settled;
}

function needlesOf(hidden: readonly Hidden[]): Needle[] {
  const needles = new Map<string, Needle>();
  for (const { secret, placeholder = "" } of hidden) {
    // Programs take the line break away that many a secret ends with.
    for (const each of new Set([secret, secret.trim()])) {
      if (Buffer.byteLength(each) < limits.redacted_bytes_min) continue;
      for (const spelling of spellings)
        for (const needle of piecesOf(spelling, each, placeholder))
          if (!needles.has(needle.bytes.toString("latin1")))
            needles.set(needle.bytes.toString("latin1"), needle);
    }
  }
  return [...needles.values()];
}

function piecesOf(spelling: Spelling, secret: string, placeholder: string): Needle[] {
  const bytes = spelling(secret);
  const other = spelling(placeholder);
  const instead = other.length === bytes.length ? other : Buffer.alloc(bytes.length, "*");
  const count = Math.ceil(bytes.length / limits.redacted_piece_bytes_max);
  const start = (i: number) => Math.floor((i * bytes.length) / count);
  return Array.from({ length: count }, (_, i) => ({
    bytes: bytes.subarray(start(i), start(i + 1)),
    instead: instead.subarray(start(i), start(i + 1)),
  }));
}
