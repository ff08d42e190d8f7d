import { createHash } from "node:crypto";
import type { Database } from "../db/database.ts";
import { failpoint } from "../failpoints.ts";
import type { Blobs } from "../files/blobs.ts";
import { FileStoreFull } from "../files/store.ts";
import { type FoundOutputs, OutputChanged } from "../hands/outputs/asking.ts";
import { generationOf } from "../hands/placement.ts";
import type { Output, OutputsList } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import { draft } from "../log/entry.ts";
import type { Log } from "../log/group-commit.ts";
import type { Member } from "../log/member.ts";
import { primaryThreadOf } from "../log/thread-id.ts";
import { ApiError } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import { createFile, requireRoom } from "../resources/files/create.ts";
import { unknownType } from "../resources/files/mime.ts";
import { namingOf } from "../resources/files/naming.ts";
import type { FileRules } from "../resources/files/row.ts";
import { isSame, type Known, knownOutputs, newlyLeftOut, noteOutput } from "./rows.ts";
import { endTurn, keepTurn, type Turn, takeTurn } from "./turn.ts";

export interface TakeParts {
  db: Database;
  member: Pick<Member, "id">;
  /** All that `run` writes is committed together, or nothing of it. */
  together<Result>(run: (work: { db: Database; log: Log }) => Promise<Result>): Promise<Result>;
  blobs: Pick<Blobs, "receive">;
  rules: FileRules;
}

/**
 * What came of it. `later`: somebody else is at it, or something changes still, and the host tells of it again.
 * `refused`: there was no room for something; in a while there may be. `gone`: the session has ended, or is elsewhere.
 */
export type Taken = "taken" | "later" | "refused" | "gone";

/** Somebody else takes the session's outputs, or it has ended. */
class TurnLost extends Error {
  override readonly name = "TurnLost";
}

/**
 * Makes files of what a session has written to its outputs folder and that is new: each content once, in the order of the
 * paths. A death at any place leaves what is written, and the next one goes on from there.
 */
export async function takeOutputs(
  parts: TakeParts,
  found: FoundOutputs,
  signal: AbortSignal,
): Promise<Taken> {
  const member = parts.member.id();
  // Cut off from the others, who take it for dead.
  if (member === null) return "later";
  const generation = generationOf(found.session_id, found.sandbox_id);
  const { session_id, host_id } = found;
  const turn =
    generation === null ? "gone" : await takeTurn(parts.db, { session_id, host_id, generation }, member);
  if (turn === "busy") return "later";
  if (turn === "gone") {
    // Nobody asks for them any more, and the sandbox is removed in its time.
    await found.taken(await found.list());
    return "gone";
  }
  const lost = new AbortController();
  const stopKeeping = keepTurn(parts.db, turn, (error) => lost.abort(error));
  try {
    const stop = AbortSignal.any([signal, lost.signal]);
    for (;;) {
      const taken = await takeSome(parts, found, turn, stop);
      if (taken !== "more") return taken;
    }
  } catch (error) {
    if (error instanceof TurnLost) return "later";
    throw error;
  } finally {
    stopKeeping();
    await endTurn(parts.db, turn);
  }
}

/** `more`: it has taken so long that there may be others by now, which need not wait for all that is left. */
async function takeSome(
  parts: TakeParts,
  found: FoundOutputs,
  turn: Turn,
  signal: AbortSignal,
): Promise<Taken | "more"> {
  const list = await found.list();
  const known = await knownOutputs(parts.db, turn);
  const began_at = performance.now();
  let taken = 0;
  const refused: OutputsList["left_out"] = [];
  let changed = false;
  for (const output of list.files) {
    const before = known.get(output.path);
    if (before?.version === output.version) continue;
    // What could not be taken would be tried over and over.
    const isFruitful = taken > 0 && refused.length === 0 && !changed;
    if (isFruitful && performance.now() - began_at > limits.outputs_batch_ms) return "more";
    signal.throwIfAborted();
    try {
      const why = await takeOne(parts, found, turn, { output, before, signal });
      if (why === null) taken += 1;
      else refused.push({ path: output.path, why });
    } catch (error) {
      if (!(error instanceof OutputChanged)) throw error;
      changed = true;
    }
  }
  await tell(parts, turn, {
    left_out: [...refused, ...list.left_out].slice(0, limits.outputs_left_out_max),
    left_out_count: refused.length + list.left_out_count,
  });
  if (refused.length > 0) return "refused";
  if (changed) return "later";
  await found.taken(list);
  return list.rest ? "taken" : "later";
}

interface One {
  output: Output;
  before: Known | undefined;
  signal: AbortSignal;
}

/** Null, or why there is no room for it now. */
async function takeOne(
  { db, together, blobs, rules }: TakeParts,
  found: FoundOutputs,
  turn: Turn,
  { output, before, signal }: One,
): Promise<string | null> {
  const content = () => until(signal, found.read(output));
  try {
    if (before?.bytes === output.bytes) {
      const content_sha256 = await hashOf(content());
      if (isSame(before, output, content_sha256)) {
        held(await noteOutput(db, turn, output, { content_sha256, new_file: false }));
        return null;
      }
    }
    const naming = namingOf({ filename: output.path, mime_type: unknownType });
    await requireRoom(db, turn.workspace_id, output.bytes, rules);
    const received = await blobs.receive(content(), limits.file_bytes_max);
    failpoint("output_received");
    const kept = await received.keep();
    const noted = await together(async (work) => {
      const about = { content_sha256: kept.sha256, new_file: true };
      const noted = held(await noteOutput(work.db, turn, output, about));
      const scope = { session_id: turn.session_id, path: output.path };
      const file = { ...naming, content: kept, downloadable: true, counted: true, scope };
      if (noted === "noted") await createFile(work.db, turn.workspace_id, file, rules);
      return noted;
    });
    failpoint("output_taken");
    return noted === "full" ? full : null;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    if (error instanceof FileStoreFull) return "the server has no room for more files";
    throw error;
  }
}

const full = `all files of the session's outputs, with those that were written anew within the hour, may be ${limits.output_files_kept_max} and take ${limits.output_bytes_kept_max / 1024 ** 3} GB`;

function held<Noted extends string>(noted: Noted): Exclude<Noted, "lost"> {
  if (noted === "lost") throw new TurnLost("the outputs are somebody else's to take");
  return noted as Exclude<Noted, "lost">;
}

async function* until(signal: AbortSignal, content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of content) {
    signal.throwIfAborted();
    yield chunk;
  }
}

async function hashOf(content: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of content) hash.update(chunk);
  return hash.digest("hex");
}

/** The session's log tells of each once: whoever waits for a file that does not come looks there. */
async function tell(
  { together }: TakeParts,
  turn: Turn,
  list: Pick<OutputsList, "left_out" | "left_out_count">,
): Promise<void> {
  if (list.left_out.length === 0) return;
  await together(async ({ db, log }) => {
    const left_out = await newlyLeftOut(db, turn, list.left_out);
    if (left_out.length === 0) return;
    const { session_id, workspace_id } = turn;
    const fields = {
      id: newId("event"),
      thread_id: primaryThreadOf(session_id),
      audience: "session",
    } as const;
    const message = leftOut(left_out, Math.max(0, list.left_out_count - list.left_out.length));
    const error = { type: "unknown_error", message, retry_status: { type: "retrying" } } as const;
    await log.append({ workspace_id, session_id, entries: [draft("session.error", fields, { error })] });
  });
}

function leftOut(left_out: OutputsList["left_out"], more: number): string {
  const each = left_out.map(({ path, why }) => `${path}: ${why}`);
  const rest = more > 0 ? [`and ${more} more`] : [];
  return ["Not taken as files from /mnt/session/outputs:", ...each, ...rest].join("\n");
}
