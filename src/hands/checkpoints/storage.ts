/**
 * Where checkpoints lie, for all hosts: blobs that are named by what they hold, and small documents that name them. Of
 * what it has told nothing is lost when it or its users die, and any number of hosts may use it at once.
 */
export interface Storage {
  /** Of its own, made with it. */
  readonly id: string;
  /** Begins to put blobs. Those of other batches and hosts are not in the way. */
  begin(): Promise<Batch>;
  /** Throws `BlobMissing`; what it reads need not be what was put. */
  read(sha256: string): AsyncIterable<Buffer>;
  /** Takes a damaged blob out of the way if it can, so that the next one who has its content puts it again. */
  setAside(sha256: string): Promise<void>;
  /** The names of all documents in a folder and those below it. */
  list(folder: string): Promise<string[]>;
  /** Null when there is none. */
  readDocument(name: string): Promise<Buffer | null>;
  /** False when there is one of that name already. */
  createDocument(name: string, bytes: Buffer): Promise<boolean>;
  /** What it names is kept for `limits.storage_grace_ms` more. */
  removeDocument(name: string): Promise<void>;
  /** Removes blobs that nothing has named for so long, by the documents that are there and were. */
  collect(
    named: (document: Buffer) => Promise<Iterable<string>>,
    options: { grace_ms: number },
  ): Promise<Collected>;
}

export interface Batch {
  /** Content that is there already is not written again. */
  put(content: AsyncIterable<Buffer>): Promise<Blob>;
  /** What was put since the last time is there from now on, and stays over a power cut. */
  commit(): Promise<void>;
  /** What was not committed is forgotten. */
  end(): Promise<void>;
}

export interface Blob {
  sha256: string;
  bytes: number;
}

export interface Collected {
  kept: number;
  removed: number;
}

/** The storage works, and does not have it. */
export class BlobMissing extends Error {
  override readonly name = "BlobMissing";
}

/** Nothing can be said of what it holds. */
export class StorageAway extends Error {
  override readonly name = "StorageAway";
}
