import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import type {
  AgentCreateParams,
  BetaManagedAgentsAgent,
} from "@anthropic-ai/sdk/resources/beta/agents/agents";
import type {
  BetaEnvironment,
  EnvironmentCreateParams,
} from "@anthropic-ai/sdk/resources/beta/environments/environments";
import type {
  BetaManagedAgentsEventParams,
  EventStreamParams,
} from "@anthropic-ai/sdk/resources/beta/sessions/events";
import type {
  BetaManagedAgentsSession,
  SessionCreateParams,
} from "@anthropic-ai/sdk/resources/beta/sessions/sessions";
import type { BetaManagedAgentsVault } from "@anthropic-ai/sdk/resources/beta/vaults/vaults";
import { beta } from "../harness/headers.ts";
import type { RawStream, RawStreamOptions } from "../harness/raw-stream.ts";
import { type ListedEvent, listed, message, type StreamEvent } from "../harness/session.ts";
import { type Following, followWithin, rawWithin } from "./following.ts";
import { type Reply, request } from "./request.ts";
import { toolset } from "./tools.ts";

/** The server that is tested, and how to reach it. */
export interface Target {
  url: string;
  api_key: string;
  /** A scripted model. */
  model: string;
  /** The longest that a case waits for one thing. */
  wait_ms: number;
  /** The URL of a public repository that it can reach. */
  repository: string;
  /** What a host at `localhost` of this machine shows, by an authority that it trusts; null where it trusts none of ours. */
  tls: { cert: string; key: string } | null;
}

export interface Answer extends Reply {
  body: Body;
}

/** Whatever an answer can hold. */
export interface Body {
  id: string;
  type: string;
  data: { id: string }[];
  next_page: string | null;
  prev_page: string | null;
  request_id: string;
  error: { type: string; message: string; details?: { error_code?: string } };
}

export interface Asked {
  /** A value is sent as JSON, a string as it is. */
  body?: unknown;
  /** Null leaves a header out. */
  headers?: Record<string, string | null>;
}

/** What a case has at hand. What it makes is removed after it. */
export interface Context extends Target {
  client: Anthropic;
  /** A request without the SDK. */
  ask(method: string, path: string, asked?: Asked): Promise<Answer>;
  /** A request that must be refused with this status, in the envelope of errors. */
  refused(status: number, method: string, path: string, asked?: Asked & { says?: RegExp }): Promise<Answer>;
  /** With the built-in tools, unless told otherwise. */
  agent(params?: Partial<AgentCreateParams>): Promise<BetaManagedAgentsAgent>;
  environment(params?: Partial<EnvironmentCreateParams>): Promise<BetaEnvironment>;
  vault(): Promise<BetaManagedAgentsVault>;
  /** Of an agent and an environment of the case's own, unless told otherwise. */
  session(params?: Partial<SessionCreateParams>): Promise<BetaManagedAgentsSession>;
  /** The body of a session's creation, for requests that are refused. */
  sessionBody(params?: object): Promise<object>;
  follow(id: string, params?: EventStreamParams): Promise<Following>;
  raw(id: string, options?: RawStreamOptions): Promise<RawStream>;
  send(id: string, ...events: BetaManagedAgentsEventParams[]): Promise<string[]>;
  /** Sends a message with these lines and returns all events up to the next idle. */
  turn(id: string, ...script: string[]): Promise<StreamEvent[]>;
  /** Waits for the end of a turn that may be over already. */
  settled(id: string): Promise<void>;
  list(id: string): Promise<ListedEvent[]>;
}

const statusTypes: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  404: "not_found_error",
  409: "conflict_error",
  413: "request_too_large",
};

/** `clean` removes what was made, as far as the server lets it: a case is judged by its own assertions alone. */
export function contextOf(target: Target): { context: Context; clean(): Promise<void> } {
  const client = new Anthropic({ baseURL: target.url, apiKey: target.api_key, authToken: null });
  const made: { sessions: string[]; agents: string[]; environments: string[]; vaults: string[] } = {
    sessions: [],
    agents: [],
    environments: [],
    vaults: [],
  };
  const streams: { close(): void }[] = [];
  let usual: Promise<[BetaManagedAgentsAgent, BetaEnvironment]> | null = null;

  const context: Context = {
    ...target,
    client,
    async ask(method, path, { body, headers = {} } = {}) {
      const all = {
        "x-api-key": target.api_key,
        "anthropic-version": "2026-10-21",
        "anthropic-beta": beta,
        "content-type": "application/json",
        ...headers,
      };
      const answer = await request(`${target.url}${path}`, {
        method,
        headers: Object.fromEntries(
          Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
        ),
        body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
        signal: AbortSignal.timeout(target.wait_ms),
      });
      return { ...answer, body: jsonOf(answer.text) };
    },
    async refused(status, method, path, { says, ...asked } = {}) {
      const answer = await context.ask(method, path, asked);
      const about = `${method} ${path} ${JSON.stringify(asked.body ?? null).slice(0, 200)} answers ${answer.status} ${answer.text.slice(0, 200)}`;
      assert.equal(answer.status, status, about);
      assert.equal(answer.body.type, "error", about);
      assert.equal(answer.body.error.type, statusTypes[status], about);
      assert.match(answer.body.error.message, says ?? /./, about);
      assert.ok(answer.body.request_id, about);
      assert.equal(answer.headers["request-id"], answer.body.request_id, about);
      return answer;
    },
    async agent(params = {}) {
      const agent = await client.beta.agents.create({
        name: "conformance",
        model: target.model,
        tools: [toolset],
        ...params,
      });
      made.agents.push(agent.id);
      return agent;
    },
    async environment(params = {}) {
      const environment = await client.beta.environments.create({
        name: `conformance ${crypto.randomUUID()}`,
        ...params,
      });
      made.environments.push(environment.id);
      return environment;
    },
    async vault() {
      const vault = await client.beta.vaults.create({ display_name: "conformance" });
      made.vaults.push(vault.id);
      return vault;
    },
    async session(params = {}) {
      const session = await client.beta.sessions.create({ ...(await usualParts()), ...params });
      made.sessions.push(session.id);
      return session;
    },
    sessionBody: async (params = {}) => ({ ...(await usualParts()), ...params }),
    async follow(id, params = {}) {
      const following = await followWithin(client, id, target.wait_ms, params);
      streams.push(following);
      return following;
    },
    async raw(id, options = {}) {
      const headers = { "x-api-key": target.api_key, ...options.headers };
      const stream = await rawWithin(target.url, id, target.wait_ms, { ...options, headers });
      streams.push(stream);
      return stream;
    },
    async send(id, ...events) {
      const { data } = await client.beta.sessions.events.send(id, { events });
      return (data ?? []).map((event) => event.id);
    },
    async turn(id, ...script) {
      const following = await context.follow(id);
      await context.send(id, message(script.join("\n")));
      const events = await following.until("session.status_idle");
      following.close();
      return events;
    },
    async settled(id) {
      const following = await context.follow(id);
      const over = (await context.list(id)).some(({ type }) => type === "session.status_idle");
      if (!over) await following.until("session.status_idle");
      following.close();
    },
    list: (id) => listed(client, id),
  };

  async function usualParts() {
    usual ??= Promise.all([context.agent(), context.environment()]);
    const [agent, environment] = await usual;
    return { agent: agent.id, environment_id: environment.id };
  }

  async function endSession(id: string): Promise<void> {
    const following = await context.follow(id);
    const { status } = await client.beta.sessions.retrieve(id);
    if (status === "running" || status === "rescheduling") {
      await context.send(id, { type: "user.interrupt" });
      await following.until("session.status_idle");
    }
    await client.beta.sessions.delete(id);
  }

  async function clean(): Promise<void> {
    await Promise.allSettled(made.sessions.map(endSession));
    await Promise.allSettled(made.environments.map((id) => client.beta.environments.delete(id)));
    await Promise.allSettled(made.agents.map((id) => client.beta.agents.archive(id)));
    await Promise.allSettled(made.vaults.map((id) => client.beta.vaults.delete(id)));
    for (const stream of streams) stream.close();
  }

  return { context, clean };
}

function jsonOf(text: string): Body {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`the answer is not JSON: ${text.slice(0, 200)}`);
  }
}
