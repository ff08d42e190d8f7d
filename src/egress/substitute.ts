import type { SessionSecret } from "../net/vault-wire.ts";
import { createFinder, type Found, type Needle } from "../vault/find.ts";
import { pairsOf } from "./answers.ts";

export type VariableSecret = Extract<SessionSecret, { type: "environment_variable" }>;

/**
 * Puts secrets in the place of their placeholders, each only where its credential says so. What is put in is not looked
 * through again. Bytes are as they are on the wire: a placeholder in any other spelling stays.
 */
export interface Substitution {
  /** The values of these headers, names and values in turn; `null` where a secret cannot stand in one. */
  headers(rawHeaders: readonly string[], onUsed: OnUsed): string[] | null;
  /** Null where nothing is to be put into bodies. */
  body: BodySubstitution | null;
}

export type OnUsed = (secret: VariableSecret) => void;

export interface BodySubstitution {
  /** Whether a body is as long afterwards as before, whatever is in it. */
  keeps_length: boolean;
  /** Of a body that is shorter nothing changes. */
  bytes_min: number;
  /** How long it is afterwards. */
  lengthOf(body: Buffer): number;
  /**
   * The body in pieces, as it comes. No piece is longer than what has come, or than a secret. Throws `SecretGone` instead of
   * using one that no longer holds.
   */
  through(
    body: AsyncIterable<Buffer> | Iterable<Buffer>,
    onUsed: OnUsed,
    holds?: Holds,
  ): AsyncGenerator<Buffer>;
}

/** Whether the secret is still that of its credential: a body may come for as long as its program likes. */
export type Holds = (secret: VariableSecret) => Promise<boolean>;

/** It was changed, or went, while a body came in which it was to stand. */
export class SecretGone extends Error {
  override readonly name = "SecretGone";
  constructor() {
    super("a credential for its body was changed or archived while that was sent; send it again");
  }
}

export function createSubstitution(variables: readonly VariableSecret[]): Substitution {
  const inHeaders = createReplacer(variables.filter(({ header }) => header));
  const inBodies = createReplacer(variables.filter(({ body }) => body));

  /** As Node has headers: a character for each byte. */
  function inText(value: string, onUsed: OnUsed): string {
    const pieces = [...inHeaders.pieces(Buffer.from(value, "latin1"), onUsed)];
    return Buffer.concat(pieces).toString("latin1");
  }

  function inHeader(name: string, value: string, onUsed: OnUsed): string {
    const [, scheme, encoded = ""] = (name.toLowerCase() === "authorization" && basic.exec(value)) || [];
    if (scheme === undefined) return inText(value, onUsed);
    const before = Buffer.from(encoded, "base64").toString("latin1");
    const after = inText(before, onUsed);
    // Some secrets are what is encoded already.
    return after === before
      ? inText(value, onUsed)
      : `${scheme}${Buffer.from(after, "latin1").toString("base64")}`;
  }

  return {
    headers(rawHeaders, onUsed) {
      const pairs = pairsOf(rawHeaders).map(([name, value]) => [name, inHeader(name, value, onUsed)]);
      return pairs.some(([, value = ""]) => unfitForHeader.test(value)) ? null : pairs.flat();
    },
    body: inBodies.isEmpty
      ? null
      : {
          keeps_length: inBodies.keeps_length,
          bytes_min: inBodies.bytes_min,
          lengthOf: inBodies.lengthOf,
          through: inBodies.through,
        },
  };
}

const basic = /^(basic +)([A-Za-z0-9+/_-]+={0,2})$/i;

/** What would end a header, or what reads it. */
const unfitForHeader = /[\x00-\x08\x0a-\x1f\x7f]/;

interface Entry extends Needle {
  variable: VariableSecret;
}

function createReplacer(variables: readonly VariableSecret[]) {
  const needles = variables
    .filter(({ placeholder }) => placeholder.length >= blockBytes)
    .map((variable): Entry => {
      const { placeholder, secret } = variable;
      return { bytes: Buffer.from(placeholder), instead: Buffer.from(secret), variable };
    });
  const bytes_min = needles.reduce(
    (least, { bytes }) => Math.min(least, bytes.length),
    Number.MAX_SAFE_INTEGER,
  );
  const finder = createFinder(needles, bytes_min);

  /** Those that are replaced: of several that overlap the first one, and of those that begin together the longest. */
  function chosen(bytes: Buffer): Found<Entry>[] {
    let at = 0;
    return finder.all(bytes).filter(({ start, end }) => {
      if (start < at) return false;
      at = end;
      return true;
    });
  }

  /** How much of it can be dealt with, whatever follows. */
  function settledOf(bytes: Buffer): number {
    for (let at = 0; ; ) {
      const rest = bytes.subarray(at);
      const held = finder.beginning(rest);
      const last = chosen(rest).findLast(({ start }) => start < held)?.end ?? 0;
      if (last <= held) return at + held;
      // What was replaced begins nothing else.
      at += last;
    }
  }

  function* pieces(bytes: Buffer, onUsed: OnUsed, found = chosen(bytes)): Generator<Buffer> {
    let at = 0;
    for (const { start, end, needle } of found) {
      if (start > at) yield bytes.subarray(at, start);
      yield needle.instead;
      onUsed(needle.variable);
      at = end;
    }
    if (at < bytes.length) yield bytes.subarray(at);
  }

  async function* whatHolds(bytes: Buffer, onUsed: OnUsed, holds: Holds): AsyncGenerator<Buffer> {
    const found = chosen(bytes);
    for (const variable of new Set(found.map(({ needle }) => needle.variable)))
      if (!(await holds(variable))) throw new SecretGone();
    yield* pieces(bytes, onUsed, found);
  }

  return {
    isEmpty: needles.length === 0,
    keeps_length: needles.every(({ bytes, instead }) => bytes.length === instead.length),
    bytes_min,
    lengthOf: (bytes: Buffer): number =>
      chosen(bytes).reduce(
        (length, { needle }) => length + needle.instead.length - needle.bytes.length,
        bytes.length,
      ),
    pieces,
    async *through(
      body: AsyncIterable<Buffer> | Iterable<Buffer>,
      onUsed: OnUsed,
      holds: Holds = async () => true,
    ): AsyncGenerator<Buffer> {
      let held: Buffer = Buffer.alloc(0);
      for await (const chunk of body) {
        const all = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
        const ready = settledOf(all);
        yield* whatHolds(all.subarray(0, ready), onUsed, holds);
        held = Buffer.from(all.subarray(ready));
      }
      yield* whatHolds(held, onUsed, holds);
    },
  };
}

/** Of fewer bytes nothing is found. */
const blockBytes = 3;
