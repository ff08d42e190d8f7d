import { createHash, randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import type { Database, Statement } from "../db/database.ts";
import { failpoint } from "../failpoints.ts";
import { limits } from "../limits.ts";
import { BlobMissing, type ByteRange, type FileStore } from "./store.ts";

/** What files hold, by its SHA-256: each content is kept once, whoever has it, as long as a row names it. */

export interface Blob {
  sha256: string;
  bytes: number;
}

/** Content that is here, and goes again unless it is kept. */
export interface Received extends Blob {
  /** Whoever names it in a row has `limits.blob_unnamed_ms` for that. */
  keep(): Promise<Blob>;
  discard(): Promise<void>;
}

export interface Blobs {
  /** Takes content in. Throws what `content` throws, and `ContentTooLarge`; then nothing of it stays. */
  receive(content: AsyncIterable<Uint8Array>, bytes_max: number): Promise<Received>;
  /**
   * Resolves when there is something to read, or throws `BlobMissing`. Who is in a transaction looks it up `within` that: all
   * other connections may wait for what it has locked.
   */
  open(sha256: string, range?: ByteRange, within?: Database): Promise<Readable>;
  /** Lets go of content that no row names, a part of all at a time, from behind `after` on. Null: that was the last part. */
  releaseUnnamed(after: string | null): Promise<string | null>;
  /** Removes from the store what is due for that. */
  removeStrays(): Promise<void>;
}

export class ContentTooLarge extends Error {
  override readonly name = "ContentTooLarge";
}

/**
 * Held, shared, by those who copy what is named: meanwhile no content is let go of. The number is that of nothing else in the
 * database.
 */
export const namedBlobsLock = 7_310_001;

// A key is a stray from before its first byte comes: whatever dies meanwhile, there is a row that says what to remove.
const begin: Statement = {
  name: "blob_begin",
  text: `insert into stray_blob (key, remove_at) values ($1, drover_now() + 2 * $2 * interval '1 millisecond')`,
};

// One that has taken so long that its time was over has lost its key. If the content is there already, the new key stays a
// stray.
const adopt: Statement = {
  name: "blob_adopt",
  text: `
with mine as materialized (
  select key from stray_blob where key = $1 and remove_at > drover_now() for update
), kept as (
  insert into blob as b (sha256, bytes, key, used_at)
  select $2, $3, key, drover_now() from mine
  on conflict (sha256) do update set used_at = greatest(b.used_at, excluded.used_at)
  returning b.key
), adopted as (
  delete from stray_blob s using kept k where s.key = $1 and k.key = $1
), surplus as (
  update stray_blob s set remove_at = drover_now() from kept k where s.key = $1 and k.key <> $1
)
select key from kept`,
};

const find: Statement = { name: "blob_find", text: "select key from blob where sha256 = $1" };

// Whoever names content anew moves `used_at` in the same statement: this one waits for it, and looks again.
const release: Statement = {
  name: "blob_release",
  text: `
with allowed as materialized (
  select pg_try_advisory_xact_lock(${namedBlobsLock}) as yes
), page as materialized (
  select sha256 from blob where sha256 > $1 order by sha256 limit $2
), released as (
  delete from blob b using page p, allowed a
  where b.sha256 = p.sha256 and a.yes and b.used_at < drover_now() - $3 * interval '1 millisecond'
    and not exists (select from file f where f.sha256 = b.sha256)
    and not exists (select from session_content c where c.sha256 = b.sha256)
    and not exists (select from skill_version v where v.archive_sha256 = b.sha256)
    and not exists (select from skill_file k where k.sha256 = b.sha256)
  returning b.key
), strays as (
  insert into stray_blob (key, remove_at) select key, drover_now() from released
)
select max(sha256) as last, count(*) as seen from page`,
};

const takeDue: Statement = {
  name: "stray_blob_due",
  text: `update stray_blob s set remove_at = drover_now() + $2 * interval '1 millisecond'
    from (select key from stray_blob where remove_at <= drover_now() order by remove_at limit $1 for update skip locked) due
    where s.key = due.key
    returning s.key`,
};

const forget: Statement = { name: "stray_blob_forget", text: "delete from stray_blob where key = $1" };

export function createBlobs(db: Database, store: FileStore): Blobs {
  async function remove(key: string): Promise<void> {
    await store.remove(key);
    await db.query(forget, [key]);
  }

  /** If that does not work now, it is done when the key is due. */
  const discard = (key: string) => remove(key).catch(() => {});

  return {
    async receive(content, bytes_max) {
      const key = randomBytes(16).toString("hex");
      await db.query(begin, [key, limits.upload_ms_max]);
      const measured = measure(content, bytes_max);
      try {
        await store.put(key, measured.content);
      } catch (error) {
        await discard(key);
        throw error;
      }
      failpoint("content_stored");
      const blob = measured.result();
      let isAsked = false;
      return {
        ...blob,
        async keep() {
          isAsked = true;
          const [kept] = await db.query<{ key: string }>(adopt, [key, blob.sha256, blob.bytes]);
          if (!kept) throw new Error(`content came in for longer than ${2 * limits.upload_ms_max} ms`);
          failpoint("content_kept");
          if (kept.key !== key) await discard(key);
          return blob;
        },
        // Once it was asked to be kept it may be, and goes by itself if no row names it.
        discard: async () => (isAsked ? undefined : discard(key)),
      };
    },

    async open(sha256, range, within = db) {
      const [found] = await within.query<{ key: string }>(find, [sha256]);
      if (!found) throw new BlobMissing(`no content has the hash ${sha256}`);
      return store.get(found.key, range);
    },

    async releaseUnnamed(after) {
      const most = limits.blobs_swept_max;
      const values = [after ?? "", most, limits.blob_unnamed_ms];
      const [page] = await db.query<{ last: string | null; seen: number }>(release, values);
      return page && page.seen === most ? page.last : null;
    },

    async removeStrays() {
      const values = [limits.stray_blobs_batch_max, limits.stray_blob_retry_ms];
      for (;;) {
        const due = await db.query<{ key: string }>(takeDue, values);
        for (const { key } of due) await remove(key);
        if (due.length < limits.stray_blobs_batch_max) return;
      }
    },
  };
}

function measure(content: AsyncIterable<Uint8Array>, bytes_max: number) {
  const hash = createHash("sha256");
  let bytes = 0;
  async function* passing(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > bytes_max) throw new ContentTooLarge(`more than ${bytes_max} bytes`);
      hash.update(chunk);
      yield chunk;
    }
  }
  return { content: passing(), result: (): Blob => ({ sha256: hash.digest("hex"), bytes }) };
}
