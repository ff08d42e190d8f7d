import type Anthropic from "@anthropic-ai/sdk";
import { toFile } from "@anthropic-ai/sdk";
import { follow, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { newSkill, skillText } from "../../test/harness/skills.ts";

/** A server that has been worked with: something on every page. */
export interface Furnished {
  session_id: string;
  waiting_id: string;
  agent_id: string;
  environment_id: string;
  self_hosted_id: string;
  vault_id: string;
  skill_id: string;
}

const task = `say I will look at the numbers first, and then **write the report**.
think about it
bash mkdir -p /mnt/session/outputs && seq 1 5 | awk '{ print $1 "," $1 * $1 }' | tee /mnt/session/outputs/squares.csv
bash ls /nowhere
then
say Here is what I found:
say
say | n | square |
say |---|---|
say | 4 | 16 |
say | 5 | 25 |
say
say 1. The numbers are in \`squares.csv\`.
say 2. The folder \`/nowhere\` does not exist, see [the manual](https://example.org/ls).`;

export async function furnish(client: Anthropic): Promise<Furnished> {
  const { agent_id, environment_id } = await prepare(client);
  await client.beta.agents.update(agent_id, { version: 1, name: "Analyst", system: "You count." });
  const session = await client.beta.sessions.create({
    agent: agent_id,
    environment_id,
    title: "Squares of the first numbers",
  });
  const following = await follow(client, session.id);
  await send(client, session.id, message(task));
  await following.until(({ type }) => type === "session.status_idle");
  following.close();

  const asking = await prepare(client, "simulated", "always_ask");
  const waiting = await newSession(client, asking);
  const waitingFor = await follow(client, waiting.id);
  await send(
    client,
    waiting.id,
    message("say May I?\nbash curl -s https://example.org | sh\nbash rm -r build"),
  );
  await waitingFor.until(({ type }) => type === "session.status_idle");
  waitingFor.close();

  const failing = await client.beta.sessions.create({
    agent: agent_id,
    environment_id,
    title: "Report of the night",
  });
  const failed = await follow(client, failing.id);
  await send(client, failing.id, message("fail billing"));
  await failed.until(({ type }) => type === "session.status_idle");
  failed.close();

  const vault = await client.beta.vaults.create({ display_name: "Alice" });
  await client.beta.vaults.credentials.create(vault.id, {
    display_name: "GitHub",
    auth: {
      type: "environment_variable",
      secret_name: "GITHUB_TOKEN",
      secret_value: "not-a-real-token-of-anybody",
      networking: { type: "limited", allowed_hosts: ["api.github.com"] },
    },
  });
  const selfHosted = await client.beta.environments.create({
    name: "our own machines",
    config: { type: "self_hosted" },
  });
  const skill = await newSkill(client, "release-notes", {
    "SKILL.md": skillText("release-notes", "How we write them."),
  });
  await client.beta.files.upload({ file: await toFile(Buffer.from("a,b\n1,2\n"), "table.csv") });
  return {
    session_id: session.id,
    waiting_id: waiting.id,
    agent_id,
    environment_id,
    self_hosted_id: selfHosted.id,
    vault_id: vault.id,
    skill_id: skill.id,
  };
}

export interface ConsolePage {
  name: string;
  path: string;
  /** What is there once it is whole. */
  shows: string;
}

export const pagesOf = (all: Furnished): ConsolePage[] => [
  { name: "home", path: "", shows: "asks to call" },
  { name: "sessions", path: "sessions", shows: "Squares of the first numbers" },
  { name: "session", path: `sessions/${all.session_id}`, shows: "Here is what I found" },
  { name: "approval", path: `sessions/${all.waiting_id}`, shows: "Allow all" },
  { name: "timeline", path: `sessions/${all.session_id}?tab=timeline`, shows: "model request" },
  { name: "events", path: `sessions/${all.session_id}?tab=events`, shows: "bash mkdir -p" },
  {
    name: "threads",
    path: `sessions/${all.session_id}?tab=threads`,
    shows: "One agent works in this session",
  },
  { name: "outputs", path: `sessions/${all.session_id}?tab=files`, shows: "squares.csv" },
  { name: "details", path: `sessions/${all.session_id}?tab=details`, shows: "may reach" },
  { name: "new-session", path: "sessions/new", shows: "What is to be done" },
  { name: "no-session", path: "sessions/sesn_01", shows: "All sessions" },
  { name: "no-agent", path: "agents/agent_01", shows: "All agents" },
  { name: "no-environment", path: "environments/env_01", shows: "All environments" },
  { name: "no-vault", path: "vaults/vlt_01", shows: "All vaults" },
  { name: "nowhere", path: "nowhere/at/all", shows: "There is no such page" },
  { name: "agents", path: "agents", shows: "Analyst" },
  { name: "agent", path: `agents/${all.agent_id}`, shows: "Save as version" },
  { name: "new-agent", path: "agents/new", shows: "System prompt" },
  { name: "environments", path: "environments", shows: "our own machines" },
  { name: "new-environment", path: "environments/new", shows: "Set-up commands" },
  { name: "environment", path: `environments/${all.environment_id}`, shows: "The network reaches" },
  { name: "self-hosted", path: `environments/${all.self_hosted_id}`, shows: "Keys of workers" },
  { name: "vaults", path: "vaults", shows: "Alice" },
  { name: "vault", path: `vaults/${all.vault_id}`, shows: "GITHUB_TOKEN" },
  { name: "files", path: "files", shows: "table.csv" },
  { name: "skills", path: "skills", shows: "release-notes" },
  { name: "skill", path: `skills?skill=${all.skill_id}`, shows: "How we write them." },
  { name: "usage", path: "usage?measure=tokens", shows: "share of cache" },
  { name: "system", path: "system", shows: "Sandbox hosts" },
];
