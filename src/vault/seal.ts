import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/**
 * Secrets as the database keeps them. Each is encrypted under a data key of its own, which is kept beside it, wrapped by the
 * master key; so a master key that is replaced makes no secret be encrypted again.
 * I1. What is sealed opens only as the column of the row that it was sealed for: moved to another one, it does not.
 * I2. Absent is `null` in the database. What is there and cannot be opened throws, and is never taken for absent.
 */
export interface Seal {
  /** Of the master keys that it has: the one that wraps, then those that only open. */
  readonly versions: readonly string[];
  seal(secret: string, place: SealedPlace): Promise<string>;
  open(sealed: string, place: SealedPlace): Promise<string>;
  /** The same secret, its data key wrapped by the newest master key. */
  rewrap(sealed: string, place: SealedPlace): Promise<string>;
}

/** Where a sealed text stands. */
export interface SealedPlace {
  table: string;
  column: string;
  workspace_id: string;
  id: string;
}

/** Wraps data keys: one that is held here, or one of a service that gives none out. */
export interface MasterKey {
  /** The one that wraps. It knows older ones too. */
  readonly version: string;
  /** All that it unwraps, the one that wraps first. */
  readonly versions: readonly string[];
  wrap(dataKey: Buffer, context: Buffer): Promise<Buffer>;
  /** Throws `UnknownMasterKey` for a version that it does not have, and `NotGenuine`. */
  unwrap(version: string, wrapped: Buffer, context: Buffer): Promise<Buffer>;
}

/** It was sealed under a master key that this server does not have. */
export class UnknownMasterKey extends Error {
  override readonly name = "UnknownMasterKey";
}

/** It was changed, cut off, or stood elsewhere. */
export class NotGenuine extends Error {
  override readonly name = "NotGenuine";
}

const shape = /^v1:([A-Za-z0-9_.-]{1,100}):([A-Za-z0-9_-]+):([A-Za-z0-9_-]+)$/;

export function createSeal(masterKey: MasterKey): Seal {
  async function unwrap(sealed: string, place: SealedPlace) {
    const [, version, wrapped, box] = shape.exec(sealed) ?? [];
    if (version === undefined || wrapped === undefined || box === undefined)
      throw new NotGenuine(`${nameOf(place)} is not a sealed text`);
    const dataKey = await masterKey.unwrap(version, Buffer.from(wrapped, "base64url"), contextOf(place));
    return { dataKey, box };
  }

  async function wrap(dataKey: Buffer, box: string, place: SealedPlace): Promise<string> {
    const wrapped = await masterKey.wrap(dataKey, contextOf(place));
    return `v1:${masterKey.version}:${wrapped.toString("base64url")}:${box}`;
  }

  return {
    versions: masterKey.versions,
    async seal(secret, place) {
      const dataKey = randomBytes(keyBytes);
      const box = encrypt(dataKey, Buffer.from(secret), contextOf(place));
      return wrap(dataKey, box.toString("base64url"), place);
    },
    async open(sealed, place) {
      const { dataKey, box } = await unwrap(sealed, place);
      return decrypt(dataKey, Buffer.from(box, "base64url"), contextOf(place)).toString();
    },
    async rewrap(sealed, place) {
      const { dataKey, box } = await unwrap(sealed, place);
      return wrap(dataKey, box, place);
    },
  };
}

export const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** AES-256-GCM: the nonce, what was encrypted, and the tag. */
export function encrypt(key: Buffer, plain: Buffer, context: Buffer): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes }).setAAD(context);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

export function decrypt(key: Buffer, box: Buffer, context: Buffer): Buffer {
  if (box.length < nonceBytes + tagBytes) throw new NotGenuine("a sealed text is cut off");
  const nonce = box.subarray(0, nonceBytes);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(context).setAuthTag(box.subarray(-tagBytes));
  const encrypted = box.subarray(nonceBytes, -tagBytes);
  try {
    return Buffer.concat([decipher.update(encrypted), decipher.final()]);
  } catch {
    throw new NotGenuine("a sealed text was changed, or stood elsewhere when it was sealed");
  }
}

const contextOf = ({ table, column, workspace_id, id }: SealedPlace): Buffer =>
  Buffer.from(JSON.stringify(["drover v1", table, column, workspace_id, id]));

const nameOf = ({ table, column, id }: SealedPlace) => `${table}.${column} of ${id}`;
