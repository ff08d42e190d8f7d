import { setTimeout as pause } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import type { BetaSelfHostedWork } from "@anthropic-ai/sdk/resources/beta/environments/work";
import type { Session } from "../../src/protocol/sessions.ts";
import { type Following, follow, isOf, message, send } from "./session.ts";

/** A self-hosted environment, an agent with the built-in tools, and what a worker needs. */
export interface SelfHosted {
  url: string;
  client: Anthropic;
  agentId: string;
  environmentId: string;
  key: string;
  keyId: string;
  /** With the environment key. */
  worker: Anthropic;
  /** With this credential. */
  as(token: string): Anthropic;
}

export async function selfHosted(
  { url, client }: { url: string; client: Anthropic },
  policy: "always_allow" | "always_ask" = "always_allow",
): Promise<SelfHosted> {
  const agent = await client.beta.agents.create({
    name: "tester",
    model: "simulated",
    tools: [{ type: "agent_toolset_20260401", default_config: { permission_policy: { type: policy } } }],
  });
  const environment = await client.beta.environments.create({
    name: "own",
    config: { type: "self_hosted" },
  });
  const made = await client.post<{ id: string; key: string }>(`/v1/environments/${environment.id}/keys`, {
    body: { name: "test" },
  });
  const as = (authToken: string) => new Anthropic({ baseURL: url, apiKey: null, authToken, maxRetries: 0 });
  return {
    url,
    client,
    agentId: agent.id,
    environmentId: environment.id,
    key: made.key,
    keyId: made.id,
    worker: as(made.key),
    as,
  };
}

export const newHostedSession = async (
  { client, agentId, environmentId }: SelfHosted,
  ...skills: { id: string }[]
): Promise<Session> =>
  (await client.beta.sessions.create({
    agent: {
      type: "agent_with_overrides",
      id: agentId,
      ...(skills.length > 0 && { skills: skills.map(custom) }),
    },
    environment_id: environmentId,
  })) as unknown as Session;

const custom = ({ id }: { id: string }) => ({ type: "custom" as const, skill_id: id });

/** With what the official API does not have. */
export const hostedSession = async ({ client }: SelfHosted, id: string): Promise<Session> =>
  (await client.beta.sessions.retrieve(id)) as unknown as Session;

/** A session that has just called bash with this command, and a stream of what follows. */
export async function calledBash(
  own: SelfHosted,
  command = "true",
): Promise<{ id: string; callId: string; stream: Following }> {
  const { id } = await newHostedSession(own);
  const stream = await follow(own.client, id);
  await send(own.client, id, message(`call bash ${JSON.stringify({ command })}\nthen\necho`));
  const use = isOf("agent.tool_use");
  const [call] = (await stream.until(use)).filter(use);
  return { id, callId: call?.id ?? "", stream };
}

export const tokenOf = (work: BetaSelfHostedWork | null): string =>
  JSON.parse(Buffer.from(work?.secret ?? "", "base64url").toString()).sessions_token;

/** Polls until there is work. */
export async function polled(
  { worker, environmentId }: SelfHosted,
  params: { reclaim_older_than_ms?: number; "Anthropic-Worker-ID"?: string } = {},
): Promise<BetaSelfHostedWork> {
  for (;;) {
    const work = await worker.beta.environments.work.poll(environmentId, { block_ms: 999, ...params });
    if (work) return work;
  }
}

/** Work that a worker has polled, acknowledged and beaten for once, and the means it has then. */
export async function taken(
  own: SelfHosted,
  { worker_id, ttl_seconds }: { worker_id?: string; ttl_seconds?: number } = {},
): Promise<{ work: BetaSelfHostedWork; token: string; holder: Anthropic; last_heartbeat: string }> {
  const work = await polled(own, worker_id === undefined ? {} : { "Anthropic-Worker-ID": worker_id });
  const environment_id = own.environmentId;
  await own.worker.beta.environments.work.ack(work.id, { environment_id });
  const token = tokenOf(work);
  const holder = own.as(token);
  const { last_heartbeat } = await holder.beta.environments.work.heartbeat(work.id, {
    environment_id,
    expected_last_heartbeat: "NO_HEARTBEAT",
    ...(ttl_seconds === undefined ? {} : { desired_ttl_seconds: ttl_seconds }),
  });
  return { work, token, holder, last_heartbeat };
}

/** Looks again and again, until it is so. */
export async function eventually<Value>(
  look: () => Promise<Value>,
  is: (value: Value) => boolean,
): Promise<Value> {
  for (;;) {
    const value = await look();
    if (is(value)) return value;
    await pause(20);
  }
}
