import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { beta, startTestServer, type TestServer, type TestServerOptions, testKey } from "./server.ts";
import { type Facts, listed, message, newSession, prepare, turn } from "./session.ts";

/** A server that holds one of everything, by their ids. */
export interface Ground {
  api: TestServer;
  facts: Facts;
  session: string;
  archived: string;
  archivedAgent: string;
  archivedEnvironment: string;
  selfHosted: string;
  /** A cursor of the list of sessions, one of another session's events, and one of a stream. */
  cursors: { sessions: string; events: string; stream: string };
}

export async function prepareGround(options: TestServerOptions = {}): Promise<Ground> {
  const api = await startTestServer(options);
  const { client } = api;
  const facts = await prepare(client);
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1) ids.push((await newSession(client, facts)).id);
  const [session = "", archived = ""] = ids;
  await turn(client, session, "say hi");
  await client.beta.sessions.archive(archived);
  const others = await prepare(client);
  const archivedAgent = (await client.beta.agents.archive(others.agent_id)).id;
  const archivedEnvironment = (await client.beta.environments.archive(others.environment_id)).id;
  const selfHosted = (await client.beta.environments.create({ name: "own", config: { type: "self_hosted" } }))
    .id;
  const sessions = await client.beta.sessions.list({ limit: 1 });
  const events = await client.beta.sessions.events.list(session, { limit: 1 });
  const [newest] = await api.db.query<{ incarnation: string }>(
    { name: "log", text: "select incarnation from log" },
    [],
  );
  const cursors = {
    sessions: sessions.next_page ?? "",
    events: events.next_page ?? "",
    stream: `${newest?.incarnation}-1`,
  };
  return {
    api,
    facts,
    session,
    archived,
    archivedAgent,
    archivedEnvironment,
    selfHosted,
    cursors,
  };
}

export interface Bad {
  what: string;
  method?: string;
  path: string;
  /** A value is sent as JSON, a string or bytes as they are. */
  body?: unknown;
  headers?: Record<string, string | null>;
  status?: number;
  /** What the message must say. */
  says?: RegExp;
}

/** What the requests below must leave as it is: all tables but those in which the server itself does its work. */
export async function contents(api: TestServer): Promise<string[]> {
  const tables = await api.db.query<{ name: string }>(
    {
      name: "all_tables",
      text: `select tablename as name from pg_tables
        where schemaname = current_schema() and tablename not in ('process', 'sandbox_host', 'cleanup', 'output_turn') order by tablename`,
    },
    [],
  );
  assert.ok(tables.length > 8);
  return Promise.all(
    tables.map(async ({ name }) => {
      const [row] = await api.db.query<{ all: string }>(
        {
          name: `all_of_${name}`,
          text: `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as all
            from ${name === "session_head" ? "(select session_id, seq, last_at, status, lease_epoch, usage::text from session_head)" : name} t`,
        },
        [],
      );
      return `${name} ${row?.all}`;
    }),
  );
}

export async function ask(api: TestServer, { method, path, body, headers = {} }: Bad): Promise<Response> {
  const sent: Record<string, string> = {};
  const all = {
    "x-api-key": testKey,
    "anthropic-version": "2026-10-21",
    "anthropic-beta": beta,
    "content-type": "application/json",
    ...headers,
  };
  for (const [name, value] of Object.entries(all)) if (value !== null) sent[name] = value;
  return fetch(`${api.url}${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: sent,
    ...(body !== undefined && {
      body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
    }),
  });
}

const types: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  405: "invalid_request_error",
  409: "conflict_error",
  413: "request_too_large",
};

async function assertRefused(api: TestServer, bad: Bad): Promise<void> {
  const answer = await ask(api, bad);
  // A stream that was not refused would never end.
  const text = answer.ok ? "" : await answer.text();
  if (answer.ok) await answer.body?.cancel();
  const about = `${bad.method ?? ""} ${bad.path.slice(0, 200)}: ${answer.status} ${text.slice(0, 500)}`;
  assert.equal(answer.status, bad.status ?? 400, about);
  const requestId = answer.headers.get("request-id");
  assert.match(requestId ?? "", /^req_01[A-Za-z0-9]{22}$/, about);
  if (bad.method === "HEAD") return;
  const body = JSON.parse(text);
  assert.equal(body.type, "error", about);
  assert.equal(body.error.type, types[answer.status], about);
  assert.ok(body.error.message.length > 0 && body.error.message.length < 4_000, about);
  assert.equal(body.request_id, requestId, about);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/, about);
  if (bad.says) assert.match(body.error.message, bad.says, about);
}

/** For a file of requests that must be refused and change nothing. `refuses` makes a test of some of them. */
export function refusals() {
  let ground: Ground;
  before(async () => {
    ground = await prepareGround();
  });
  after(() => ground.api.close());

  function refuses(name: string, cases: (ground: Ground) => Bad[]): void {
    test(name, async (context) => {
      const { api } = ground;
      const before = await contents(api);
      const all = cases(ground);
      assert.ok(all.length > 0);
      for (const bad of all) await context.test(bad.what, () => assertRefused(api, bad));
      assert.deepEqual(await contents(api), before, "something was changed");
      assert.equal((await fetch(`${api.url}/healthz`)).status, 200);
    });
  }

  /** To be called last. */
  function stillWorks(): void {
    test("after all of it the session still works", async () => {
      const { api, session } = ground;
      const events = await turn(api.client, session, "say still here");
      assert.ok(events.some((event) => event.type === "agent.message"));
      assert.ok((await listed(api.client, session)).length > 0);
      await api.client.beta.sessions.events.send(session, { events: [message("say bye")] });
    });
  }

  return { ground: () => ground, refuses, stillWorks };
}
