import { randomInt } from "node:crypto";
import type pg from "pg";
import type { Database, DatabasePool, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";
import { processLockClass } from "./lease.ts";

/**
 * This process as the others see it: an advisory lock and a beat, on the connection that also listens. When the
 * connection goes, the process is dead to the others at once and comes back under a new id.
 */
export interface Member {
  /** Null while it is cut off. */
  id(): number | null;
  /** Gives the id up for a new one: nobody knows what was done under it. */
  rejoin(reason: string): void;
  close(): Promise<void>;
}

export interface MemberEvents {
  /** A new id is in force. Whatever was noted before may be out of date. */
  joined(id: number): void;
  /** The id is dead; others may already act on its sessions. */
  lost(id: number, reason: string): void;
  /** Joining again has failed; it is tried with every beat. */
  apart(error: unknown): void;
  /**
   * Another process has committed: `seqs` by session id, null where a session was deleted; or "everything".
   * `waiting`: one of them waits for a brain.
   */
  notified(heads: Map<string, number | null> | "everything", waiting: boolean): void;
  /** Another process has something to say about previews. */
  previewed(payload: string): void;
  /** Some process, this one too, has put work for an environment into its queue. */
  workOffered?(environmentId: string): void;
}

/** What the others know of a process beside that it lives. */
export interface MemberFacts {
  /** The sandbox hosts that it reaches as a brain: told with each beat. */
  hosts(): readonly string[];
  /** The versions of its master keys, the one that it seals under first. */
  master_keys: readonly string[];
  version?: string;
  roles?: readonly string[];
}

export async function joinMembers(
  db: DatabasePool,
  events: MemberEvents,
  { hosts, master_keys, version = "", roles = [] }: MemberFacts = { hosts: () => [], master_keys: [] },
): Promise<Member> {
  let current: { id: number; client: pg.Client } | null = null;
  /** The id before. The server may hold its lock for long on a connection that has silently died. */
  let previous: number | null = null;
  let closing = false;
  let timer: NodeJS.Timeout;

  async function join(): Promise<void> {
    const client = await db.connect({ query_ms: limits.process_dead_ms / 2 });
    const id = randomInt(1, 2 ** 31 - 1);
    try {
      await client.query("select pg_advisory_lock($1, $2)", [processLockClass, id]);
      await client.query(
        `with joined as (
          insert into process (id, master_keys, version, roles, started_at, beat_at)
          values ($1, $3, $4, $5, drover_now(), drover_now())
        ) ${reachedHosts}`,
        [id, hosts(), master_keys, version, roles],
      );
      await client.query("delete from process where id = $1", [previous]);
      client.on("notification", ({ channel, payload = "" }) => {
        if (channel === previewChannel) {
          const [from, rest] = split(payload);
          if (Number(from) !== id) events.previewed(rest);
          return;
        }
        if (channel === workChannel) {
          events.workOffered?.(payload);
          return;
        }
        const heard = parsePayload(payload, id);
        if (heard) events.notified(heard.heads, heard.waiting);
      });
      client.on("error", (error) => leave(id, error.message));
      client.on("end", () => leave(id, "the connection ended"));
      await client.query(`listen drover; listen ${previewChannel}; listen ${workChannel}`);
    } catch (error) {
      // Not waited for: a server that stands still does not take leave.
      client.end().catch(() => {});
      throw error;
    }
    current = { id, client };
    previous = null;
    events.joined(id);
  }

  function leave(id: number, reason: string): void {
    if (current?.id !== id) return;
    const { client } = current;
    current = null;
    previous = id;
    client.end().catch(() => {});
    if (!closing) events.lost(id, reason);
  }

  /** A half-open connection looks healthy until something is asked of it. */
  async function beat(): Promise<void> {
    const member = current;
    if (!member) {
      await join().catch((error) => events.apart(error));
      return;
    }
    const answered = member.client
      .query(`with reached as (${reachedHosts}) update process set beat_at = drover_now() where id = $1`, [
        member.id,
        hosts(),
      ])
      .then((result) => result.rowCount === 1)
      .catch(() => false);
    const late = new Promise<false>((resolve) =>
      setTimeout(resolve, limits.process_dead_ms / 2, false).unref(),
    );
    if (!(await Promise.race([answered, late]))) leave(member.id, "it could not beat");
  }

  function schedule(): void {
    timer = setTimeout(() => beat().finally(() => closing || schedule()), limits.process_beat_ms);
  }

  await join();
  schedule();

  return {
    id: () => current?.id ?? null,
    rejoin(reason) {
      if (current) leave(current.id, reason);
    },
    async close() {
      closing = true;
      clearTimeout(timer);
      const member = current;
      current = null;
      if (!member) return;
      await member.client.query("delete from process where id = $1", [member.id]).catch(() => {});
      await member.client.end().catch(() => {});
    },
  };
}

// In one order, so that processes that reach the same ones never wait for each other in a circle.
const reachedHosts = `insert into sandbox_host (host_id, reached_at)
  select host_id, drover_now() from unnest($2::text[]) as h (host_id) order by host_id
  on conflict (host_id) do update set reached_at = excluded.reached_at`;

const previewChannel = "drover_preview";
const workChannel = "drover_work";

const notifyStatement: Statement = { name: "notify_preview", text: "select pg_notify($1, $2)" };

/** Tells the other processes about previews; what is lost is only a preview. */
export async function notifyPreview(db: Database, from: number, payload: string): Promise<void> {
  await db.query(notifyStatement, [previewChannel, `${from} ${payload}`]).catch(() => {});
}

const split = (text: string): [string, string] => {
  const at = text.indexOf(" ");
  return [text.slice(0, at), text.slice(at + 1)];
};

/**
 * `<process> <session>:<seq> <session>:<seq>! <session>:gone ...`, the `!` for a session that waits for a brain; or `*`
 * when that would have been too long. Null for our own.
 */
function parsePayload(
  payload: string,
  own: number,
): { heads: Map<string, number | null> | "everything"; waiting: boolean } | null {
  if (payload === "*") return { heads: "everything", waiting: true };
  const [from, ...heads] = payload.split(" ");
  if (Number(from) === own) return null;
  return {
    waiting: heads.some((head) => head.endsWith("!")),
    heads: new Map(
      heads.map((head) => {
        const [sessionId = "", seq] = head.split(/[:!]/);
        return [sessionId, seq === "gone" ? null : Number(seq)];
      }),
    ),
  };
}
