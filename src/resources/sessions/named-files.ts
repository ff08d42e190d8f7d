import type { Database, Statement } from "../../db/database.ts";
import type { Blobs } from "../../files/blobs.ts";
import { limits } from "../../limits.ts";
import { type AnyDraft, draft, type NamedFile } from "../../log/entry.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import {
  type ShownType,
  shownAs,
  shownCharsMax,
  shownProblem,
  type ToolResultContentBlock,
} from "../../protocol/content.ts";
import { invalid } from "../../protocol/errors.ts";
import type { EventParams } from "../../protocol/events.ts";
import { newId } from "../../protocol/ids.ts";
import { imageTypes } from "../../protocol/image-size.ts";
import { excessAdvice, excessOf, loadOf, type Media, mediaOf } from "../../protocol/media.ts";

/** What the files hold that events name, by the files' ids. */
export type NamedFiles = Record<string, NamedFile>;

type MediaBlock = Extract<ToolResultContentBlock, { type: "image" | "document" }>;
interface Named {
  path: string;
  type: MediaBlock["type"];
  file_id: string;
}

/**
 * Looks at the files that images and documents in events name. What cannot be shown to a model is refused, by its place in the
 * request; `path` is where the events are. What the others hold is there for `limits.blob_unnamed_ms`, and stays when
 * the session is said to hold it by then.
 */
export async function namedFiles(
  db: Database,
  blobs: Pick<Blobs, "open">,
  workspaceId: string,
  events: readonly EventParams[],
  path: string,
): Promise<NamedFiles> {
  const named = events.flatMap((event, i) => namedIn(mediaBlocks(event), `${path}.${i}.content`));
  if (named.length === 0) return {};
  requireFew(named, path);
  const rows = await db.query<FoundRow>(find, [
    workspaceId,
    [...new Set(named.map(({ file_id }) => file_id))],
  ]);
  const found = new Map(rows.map((row) => [row.id, row]));
  const files: NamedFiles = {};
  for (const block of named) {
    const readable = readableIn(block, found.get(block.file_id));
    files[block.file_id] ??= await lookedAt(db, blobs, block, readable);
  }
  events.forEach((event, i) => {
    const media = mediaBlocks(event).map(({ block }) => shownMedia(block, files));
    const excess = excessOf(loadOf(media));
    if (excess !== null) throw invalid(`${path}.${i}.content: ${excessAdvice[excess]}`);
  });
  return files;
}

/** An entry for the log, before those of the events; none where none name a file. */
export const namedDrafts = (sessionId: string, files: NamedFiles): AnyDraft[] =>
  Object.keys(files).length === 0
    ? []
    : [
        draft(
          "files_named",
          { id: newId("event"), thread_id: primaryThreadOf(sessionId), audience: "internal" },
          { reader: 3, files },
        ),
      ];

export const hashesOf = (files: NamedFiles): string[] => [
  ...new Set(Object.values(files).map(({ sha256 }) => sha256)),
];

const hold: Statement = {
  name: "session_content_hold",
  text: `
insert into session_content (workspace_id, session_id, sha256)
select s.workspace_id, s.id, content.sha256 from session s, unnest($3::text[]) as content (sha256)
where s.id = $2 and s.workspace_id = $1
order by content.sha256 on conflict do nothing`,
};

/** From now on what the files hold stays as long as the session does. */
export async function holdContents(
  db: Database,
  workspaceId: string,
  sessionId: string,
  files: NamedFiles,
): Promise<void> {
  const hashes = hashesOf(files);
  if (hashes.length > 0) await db.query(hold, [workspaceId, sessionId, hashes]);
}

/** The images and documents of an event, and their places in its content. */
function mediaBlocks(event: EventParams): { block: MediaBlock; j: number }[] {
  if (!("content" in event)) return [];
  const content: readonly ToolResultContentBlock[] = event.content ?? [];
  return content.flatMap((block, j) =>
    block.type === "image" || block.type === "document" ? [{ block, j }] : [],
  );
}

const namedIn = (blocks: { block: MediaBlock; j: number }[], path: string): Named[] =>
  blocks.flatMap(({ block: { type, source }, j }) =>
    source.type === "file" ? [{ path: `${path}.${j}.source`, type, file_id: source.file_id }] : [],
  );

function requireFew(named: readonly Named[], path: string): void {
  const documents = named.filter(({ type }) => type === "document").length;
  if (documents > limits.file_documents_max)
    throw invalid(`${path}: may hold ${limits.file_documents_max} documents from files at most`);
  if (named.length > limits.file_blocks_max)
    throw invalid(`${path}: may name files ${limits.file_blocks_max} times at most`);
}

// From then on nobody lets go of the contents for a while.
const find: Statement = {
  name: "files_to_show",
  text: `
with found as materialized (
  select f.id, f.mime_type, f.sha256, f.expires_at, coalesce(f.expires_at <= drover_now(), false) as expired
  from file f where f.workspace_id = $1 and f.id = any($2) and f.deleted_at is null
), locked as materialized (
  select b.sha256 from blob b where b.sha256 in (select sha256 from found) order by b.sha256 for no key update
), contents as (
  update blob b set used_at = greatest(b.used_at, drover_now()) from locked l where b.sha256 = l.sha256
  returning b.sha256, b.bytes
)
select f.id, f.mime_type, f.expires_at, f.expired, c.sha256, c.bytes from found f left join contents c using (sha256)`,
};

interface FoundRow {
  id: string;
  mime_type: string;
  expires_at: string | null;
  expired: boolean;
  sha256: string | null;
  bytes: number | null;
}

interface Readable {
  sha256: string;
  media_type: ShownType;
}

/** What can be said without looking into it. */
function readableIn({ path, type, file_id }: Named, row: FoundRow | undefined): Readable {
  if (!row) throw invalid(`${path}: file ${file_id} not found`);
  if (row.expired || row.sha256 === null || row.bytes === null)
    throw invalid(`${path}: file ${file_id} has expired at ${row.expires_at}: its content is gone`, {
      code: "file_expired",
    });
  const media_type = shownAs(type, row.mime_type);
  if (media_type === null) throw invalid(`${path}: file ${file_id} is ${row.mime_type}, and ${wanted[type]}`);
  const most = shownCharsMax[type];
  if (base64Chars(row.bytes) > most)
    throw invalid(`${path}: file ${file_id} is larger than ${most >> 20} MB of base64: name a smaller file`);
  return { sha256: row.sha256, media_type };
}

const wanted = {
  image: `an image is one of ${imageTypes.join(", ")}`,
  document: "a document is a PDF or text; mount other files as resources of the session",
};

async function lookedAt(
  db: Database,
  blobs: Pick<Blobs, "open">,
  { path, file_id }: Named,
  { sha256, media_type }: Readable,
): Promise<NamedFile> {
  const content = await blobs.open(sha256, undefined, db);
  const data = Buffer.concat(await content.toArray()).toString("base64");
  const problem = shownProblem(media_type, data);
  if (problem !== null) throw invalid(`${path}: file ${file_id} ${problem}`);
  const { large, chars } = mediaOf({ type: "image", source: { type: "base64", media_type, data } });
  return { sha256, media_type, chars, large };
}

const base64Chars = (bytes: number) => Math.ceil(bytes / 3) * 4;

const shownMedia = (block: MediaBlock, files: NamedFiles): Media =>
  block.source.type === "file"
    ? mediaOf({ type: block.type, source: { type: "file", stored: files[block.source.file_id] } })
    : mediaOf(block);
