import { Agent, type IncomingMessage, request as makeRequest, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { limits } from "../limits.ts";
import { type Answer, answer, answerAndEnd, endWith } from "./answers.ts";
import { type Destination, parseAuthority, spelled } from "./destination.ts";
import { forward, hostHeader, type Inbound } from "./forward.ts";
import { upgradeOf } from "./headers.ts";
import { type Asked, createFront } from "./http-front.ts";
import { type Prepared, prepare, type Room } from "./prepare.ts";
import { type Latest, redacted, redactedHeadOf, redaction } from "./redacted.ts";
import { type Known, type SessionVault, VaultAway } from "./session-vault.ts";
import { SecretGone } from "./substitute.ts";
import { forwardUpgrade } from "./upgrade.ts";
import type { Usable } from "./usable.ts";
import type { Asking } from "./uses.ts";
import { unreachable } from "./way-out.ts";

/** A program's TLS connection that ends here, and the host's that it is carried on. */
export interface Inside {
  asking: Asking;
  to: Destination;
  /** Rejects with `HostNotProven`. */
  upstream: Promise<TLSSocket>;
}

interface Connection extends Inside {
  /** Of requests over the one connection to the host, one after the other. */
  agent: Agent;
  /** It is gone: requests that are open are answered, if they can be, and no further ones. */
  gone: boolean;
  open_requests: number;
  /** The request before is over. One that waits has no secrets yet: it may wait for long. */
  before: Promise<void>;
  /** Of its session. */
  room: Room;
}

/** What leaves. */
interface Leaving {
  path: string;
  prepared: Prepared;
  /** Says once of each secret that it was in it, and what came of that. */
  note(outcome: string): void;
}

export interface InsideParts {
  vault: SessionVault;
  usable(known: Known, to: Destination): Usable | null;
  onTrouble(error: unknown): void;
}

/**
 * What programs say to hosts that credentials are for. One connection of a program is one to the host, so that what holds for
 * a connection does; it ends when that ends.
 */
export function createInside({ vault, usable, onTrouble }: InsideParts) {
  /** How many bytes are kept of each session's. */
  const kept = new Map<string, number>();
  const roomOf = (session_id: string): Room => ({
    take(bytes) {
      const sum = (kept.get(session_id) ?? 0) + bytes;
      if (sum > limits.substituted_bodies_bytes_max) return false;
      kept.set(session_id, sum);
      return true;
    },
    give(bytes) {
      const left = (kept.get(session_id) ?? 0) - bytes;
      if (left > 0) kept.set(session_id, left);
      else kept.delete(session_id);
    },
  });

  /** What leaves, or what the program is told instead. */
  async function leaving(
    asked: Asked,
    response: ServerResponse | null,
    connection: Connection,
  ): Promise<Leaving | { problem: Answer }> {
    const { asking, to } = connection;
    const path = pathOf(asked.request, to);
    if (path === null) return { problem: misdirected(to) };
    const now = async () => {
      const known = await vault.secretsOf(asking);
      return {
        usable: known && usable(known, to),
        redactor: known?.redactor.hides_any ? known.redactor : null,
      };
    };
    try {
      const unproven = await problemOfHost(connection);
      const prepared = await prepare({ ...asked, response, path, now, room: connection.room });
      const note = noting(connection, prepared);
      const problem = prepared.problem ?? unproven;
      if (problem !== null) {
        note(`not sent: ${problem.why}`);
        return { problem };
      }
      return { path, prepared, note };
    } catch (error) {
      if (error instanceof VaultAway) return { problem: error.answer };
      throw error;
    }
  }

  /** An answer may last for hours: it is told of new secrets, and goes on where serve is away. */
  function latestOf({ asking }: Connection): Latest {
    let away_until = 0;
    return async () => {
      const now = performance.now();
      if (now < away_until) return null;
      const over = new AbortController();
      const late = delay(limits.redacted_renew_ms, null, { ref: false, signal: over.signal });
      const known = await Promise.race([vault.secretsOf(asking), late]).catch(() => null);
      late.catch(() => {});
      over.abort();
      if (known === null) away_until = now + limits.credentials_believed_ms;
      return known?.redactor ?? null;
    };
  }

  function noting({ asking, to }: Connection, { used }: Prepared): Leaving["note"] {
    const noted = new Set<string>();
    return (outcome) => {
      for (const id of used) if (!noted.has(id)) vault.used(asking, { id, host: to.host, outcome });
      for (const id of used) noted.add(id);
    };
  }

  async function onRequest(asked: Asked, response: ServerResponse, connection: Connection) {
    const { request } = asked;
    const { to, before } = connection;
    const over = Promise.withResolvers<void>();
    connection.before = over.promise;
    connection.open_requests += 1;
    response.on("close", () => {
      over.resolve();
      connection.open_requests -= 1;
      if (connection.gone && connection.open_requests === 0) endWith(request.socket);
    });
    await before;
    if (response.destroyed) return;
    const read = await leaving(asked, response, connection).catch((error) => {
      // A program that goes away while it sends something is no trouble.
      if (request.errored === null) throw error;
      return null;
    });
    if (read === null || response.destroyed) return;
    if ("problem" in read) return answer(response, read.problem);
    const { path, prepared, note } = read;
    const { redactor } = prepared;
    let outcome = "sent";
    response.on("close", () => note(outcome));
    const upstream = ask(request, connection, path, prepared.headers);
    forward(request, response, {
      upstream,
      body: prepared.body,
      inbound(from) {
        outcome = `sent ${from.statusCode}`;
        note(outcome);
        const inbound = redacted(from, request.method ?? "", redactor, latestOf(connection));
        return "status" in inbound || !isLast(from) ? inbound : closing(inbound);
      },
      // As it would have ended without anybody between: whoever has asked on a connection that was used before asks again.
      failed(error) {
        if (error instanceof VaultAway) return error.answer;
        if (error instanceof SecretGone)
          return { status: 502, text: `Drover has broken this request off: ${error.message}.` };
        return upstream.reusedSocket ? null : unreachable(to, error);
      },
    });
  }

  async function onUpgrade(request: IncomingMessage, program: Socket, connection: Connection) {
    const { to } = connection;
    const read = await leaving({ request, body: request }, null, connection);
    if ("problem" in read) return answerAndEnd(program, read.problem);
    const { path, prepared, note } = read;
    const { redactor } = prepared;
    const asked = ["connection", "upgrade", "upgrade", upgradeOf(request) ?? ""];
    forwardUpgrade(program, {
      upstream: ask(request, connection, path, [...prepared.headers, ...asked]),
      granted(from) {
        note(`sent ${from.statusCode}`);
        return {
          ...redactedHeadOf(from, redactor),
          through: redactor ? [redaction(redactor, latestOf(connection))] : [],
        };
      },
      inbound(from) {
        note(`sent ${from.statusCode}`);
        return redacted(from, request.method ?? "", redactor, latestOf(connection));
      },
      failed(error) {
        note("sent");
        return unreachable(to, error);
      },
    });
  }

  const front = createFront<Connection>({
    onRequest,
    onUpgrade,
    onConnect: async (_, program) => answerAndEnd(program, noTunnel),
    goesOn: (protocol) => !unreadable.test(protocol),
    onTrouble,
  });

  return {
    /** From the program's first byte on. */
    serve(program: TLSSocket, inside: Inside): void {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const about = { agent, gone: false, open_requests: 0, before: Promise.resolve() };
      const connection: Connection = { ...inside, ...about, room: roomOf(inside.asking.session_id) };
      const gone = () => {
        connection.gone = true;
        if (connection.open_requests === 0) endWith(program);
      };
      inside.upstream.then(
        (upstream) => {
          let taken = false;
          agent.createConnection = (_, done) => {
            done?.(taken || upstream.destroyed ? closed() : null, upstream);
            taken = true;
            return undefined;
          };
          upstream.once("close", gone);
          if (upstream.destroyed) gone();
          program.once("close", () => upstream.destroy());
          if (program.destroyed) upstream.destroy();
        },
        () => {},
      );
      front.serve(program, connection);
    },
  };
}

/** As the host is to get it. */
function ask(request: IncomingMessage, { agent, to }: Connection, path: string, headers: readonly string[]) {
  const upstream = makeRequest({
    agent,
    method: request.method,
    path,
    maxHeaderSize: limits.egress_head_bytes_max,
    headers: ["Host", hostHeader(to, 443), ...headers],
  });
  upstream.setTimeout(limits.egress_idle_ms, () =>
    upstream.destroy(Object.assign(new Error("idle"), { code: "ETIMEDOUT" })),
  );
  return upstream;
}

async function problemOfHost({ upstream, to }: Connection): Promise<(Answer & { why: string }) | null> {
  try {
    await upstream;
    return null;
  } catch (error) {
    const { message } = error as Error;
    return {
      status: 502,
      text: `Drover has not sent this request: ${spelled(to)} has not proven to be that host (${message}).`,
      why: "it has not proven to be that host",
    };
  }
}

/** Null unless all that the request says of its host is that of the connection. */
function pathOf(request: IncomingMessage, to: Destination): string | null {
  const { url = "", headersDistinct } = request;
  const isHere = (authority: string) => {
    const named = parseAuthority(authority, to.port);
    return named?.host === to.host && named.port === to.port;
  };
  const hosts = headersDistinct.host ?? [];
  if (hosts.length !== 1 || !isHere(hosts[0] ?? "")) return null;
  if (/^[/*]/.test(url)) return url;
  const [, authority = "", path = ""] = /^https:\/\/([^/?#]*)([^#]*)$/i.exec(url) ?? [];
  if (!isHere(authority)) return null;
  return path.startsWith("/") ? path : `/${path}`;
}

const misdirected = (to: Destination): Answer => ({
  status: 421,
  text: `This connection is to ${spelled(to)}: each request on it needs one Host header, which names that host. Reach others on connections of their own.`,
});

/** HTTP/2, whose answer to the very request that asks for it packs its headers, and TLS. */
const unreadable = /(^|,)\s*(h2c|tls\/[\d.]+)\s*(,|$)/i;

const noTunnel: Answer = { status: 400, text: "This is no proxy, but the host that you are connected to." };

const closed = () => Object.assign(new Error("closed"), { code: "ECONNRESET" });

/** Whether the host ends the connection after this answer. */
function isLast({ httpVersion, headers: { connection = "" } }: IncomingMessage): boolean {
  const said = connection.toLowerCase().split(/[\s,]+/);
  return said.includes("close") || (httpVersion === "1.0" && !said.includes("keep-alive"));
}

const closing = (inbound: Inbound): Inbound => ({
  ...inbound,
  headers: [...inbound.headers, "connection", "close"],
});
