import type { Readable } from "node:stream";

/**
 * Where the bytes of files lie: each under a key that nothing has had before and nothing will have again. Which content
 * has which key the database knows, and no store is ever listed.
 */
export interface FileStore {
  /** For people: where it is. */
  readonly place: string;
  /** Its own id. One that has none gets `fresh`, unless that is null. */
  identify(fresh: string | null): Promise<string | null>;
  /**
   * Whole or not at all, and there to stay over a power cut. What `content` throws is thrown; what it leaves behind when it
   * fails, or dies, `remove` removes.
   */
  put(key: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Resolves when there is something to read, or throws `BlobMissing`. */
  get(key: string, range?: ByteRange): Promise<Readable>;
  /** Also what of it has come only in part. That it is not there is no mistake. */
  remove(key: string): Promise<void>;
}

/** From byte `start` up to and without byte `end`: one at least. */
export interface ByteRange {
  start: number;
  end: number;
}

/** There is no room for more. */
export class FileStoreFull extends Error {
  override readonly name = "FileStoreFull";
}

/** It cannot be used at the moment. */
export class FileStoreAway extends Error {
  override readonly name = "FileStoreAway";
}

/** The store works, and does not have it. */
export class BlobMissing extends Error {
  override readonly name = "BlobMissing";
}
