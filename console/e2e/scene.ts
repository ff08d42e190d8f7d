import { setTimeout as pause } from "node:timers/promises";
import { toFile } from "@anthropic-ai/sdk";
import type { FakeRequest } from "../../test/fakes/anthropic.ts";
import { answerReply, errorReply, type FakeBlock, type FakeReply } from "../../test/fakes/anthropic.ts";
import type { TestServer } from "../../test/harness/server.ts";
import { follow, message, send } from "../../test/harness/session.ts";
import { newSkill, skillText } from "../../test/harness/skills.ts";

/** What the pictures show: a small company that has worked with its agents for a week. */

/** Tokens of one answer: new ones, those of the cache, and what was said. */
type Tokens = [input: number, cached: number, output: number];

interface Answer {
  thinks?: string;
  says?: string;
  calls?: { name: string; input: Record<string, unknown> }[];
  tokens: Tokens;
}

const bash = (command: string) => ({ name: "bash", input: { command } });

const reconcile =
  "Please reconcile October's invoices with the bank statement, and leave me a list of what does not match.";
const release = "Release 2.4.0: changelog, tag, and publish the package.";
const refund = "Order A-20418 arrived broken. The customer asks for a refund of $84.00.";
const digest = "Write the digest of last night's logs.";
const interviews = "Read the twelve customer interviews and sum up what they ask for.";

/** The answers to each task, one after the other. */
const answers: Record<string, Answer[]> = {
  [reconcile]: [
    {
      thinks: "Two files were uploaded. Compare them by number and amount before judging anything.",
      says: "I'll look at both files first.",
      calls: [bash("head -n 4 /mnt/session/uploads/*.csv"), bash("wc -l /mnt/session/uploads/*.csv")],
      tokens: [3_120, 0, 412],
    },
    {
      says: "Both have the number first. What is in one of them alone, or with another amount, does not match:",
      calls: [
        bash(
          "cd /mnt/session/uploads && mkdir -p /mnt/session/outputs\n" +
            "sort invoices.csv >/tmp/a; sort statement.csv >/tmp/b\n" +
            "{ echo number,amount,found; comm -23 /tmp/a /tmp/b | sed 's/$/,invoice only/'; " +
            "comm -13 /tmp/a /tmp/b | sed 's/$/,bank only/'; } | tee /mnt/session/outputs/unmatched.csv",
        ),
      ],
      tokens: [640, 3_120, 538],
    },
    {
      says: `Of **8 invoices, 6 match** the bank statement to the cent. Two do not:

| invoice | invoiced | received | what it looks like |
|---|---:|---:|---|
| INV-1043 | $1,250.00 | $1,205.00 | digits swapped in the transfer |
| INV-1046 | $480.00 | – | not paid yet, due on 14 November |

1. The list is in \`unmatched.csv\`.
2. I would ask the customer of INV-1043 for the missing **$45.00**. Shall I draft the mail?`,
      tokens: [910, 3_760, 644],
    },
  ],
  [release]: [
    {
      says: "The tests of `main` are green and the changelog is written. The next two steps change what others see, so I wait for your approval.",
      calls: [
        bash("git tag -s v2.4.0 -m 'Release 2.4.0' && git push origin v2.4.0"),
        bash("npm publish --access public"),
      ],
      tokens: [5_480, 22_300, 366],
    },
  ],
  [refund]: [
    {
      says: "The photo shows the damage, and the order is 9 days old: within the 30 days of the policy.",
      calls: [
        { name: "refund_order", input: { order: "A-20418", amount_usd: 84, reason: "arrived broken" } },
      ],
      tokens: [1_870, 6_400, 148],
    },
  ],
  [interviews]: [
    {
      thinks: "Twelve files. Read them in two halves so that nothing is cut.",
      says: "I read them one after the other and keep a tally of each wish.",
      calls: [bash('for n in $(seq 12); do echo "interview $n: read"; sleep 20; done')],
      tokens: [2_210, 0, 236],
    },
  ],
};

const past: { agent: keyof typeof agents; title: string; days_ago: number; tokens: Tokens }[] = [
  {
    agent: "invoices",
    title: "Reconcile the September invoices",
    days_ago: 6,
    tokens: [61_000, 210_000, 9_800],
  },
  { agent: "triage", title: "Support queue, no. 53", days_ago: 6, tokens: [96_000, 340_000, 31_000] },
  { agent: "digest", title: "Log digest, no. 211", days_ago: 5, tokens: [44_000, 120_000, 5_200] },
  { agent: "triage", title: "Support queue, no. 54", days_ago: 5, tokens: [121_000, 510_000, 37_000] },
  { agent: "release", title: "Release 2.3.1", days_ago: 4, tokens: [88_000, 420_000, 12_400] },
  { agent: "triage", title: "Support queue, no. 55", days_ago: 4, tokens: [84_000, 302_000, 26_000] },
  { agent: "triage", title: "Support queue, no. 56", days_ago: 3, tokens: [103_000, 398_000, 33_500] },
  {
    agent: "invoices",
    title: "Reminders for overdue invoices",
    days_ago: 2,
    tokens: [52_000, 160_000, 14_000],
  },
  { agent: "digest", title: "Log digest, no. 212", days_ago: 1, tokens: [39_000, 131_000, 4_900] },
  {
    agent: "research",
    title: "What do competitors charge for storage?",
    days_ago: 1,
    tokens: [140_000, 620_000, 41_000],
  },
];

const agents = {
  invoices: {
    name: "Invoice reconciler",
    model: "claude-sonnet-5-5",
    system:
      "You compare invoices with bank statements. Never guess an amount: where something is missing, say so.",
    policy: "always_allow",
  },
  release: {
    name: "Release manager",
    model: "claude-opus-5-5",
    system: "You prepare releases. Whatever others can see waits for an approval.",
    policy: "always_ask",
  },
  triage: {
    name: "Support triage",
    model: "claude-haiku-4-5",
    system: "You sort support tickets, answer what the manual answers, and hand on the rest with a summary.",
    policy: "always_allow",
  },
  digest: {
    name: "Log digest",
    model: "claude-haiku-4-5",
    system: "You write what an operator has to know of last night's logs, in ten lines.",
    policy: "always_allow",
  },
  research: {
    name: "Market researcher",
    model: "claude-sonnet-5-5",
    system: "You read what customers and competitors say, and cite where each claim comes from.",
    policy: "always_allow",
  },
} as const;

const invoices = [
  ["INV-1040", "890.00"],
  ["INV-1041", "2310.50"],
  ["INV-1042", "75.00"],
  ["INV-1043", "1250.00"],
  ["INV-1044", "640.00"],
  ["INV-1045", "1999.99"],
  ["INV-1046", "480.00"],
  ["INV-1047", "312.40"],
];
const statement = invoices
  .filter(([number]) => number !== "INV-1046")
  .map(([number, amount]) => [number, number === "INV-1043" ? "1205.00" : amount]);
const csv = (rows: (string | undefined)[][]) =>
  Buffer.from(`${rows.map((row) => row.join(",")).join("\n")}\n`);

/** Plays the provider: what it answers follows from the newest task and how much of it is answered. */
export async function provider({ path, body }: FakeRequest): Promise<FakeReply> {
  if (!path.startsWith("/v1/messages")) return errorReply(404, "not_found_error", "There is no such path.");
  const said = body.messages.map(({ role, content }) => ({
    role,
    text:
      typeof content === "string"
        ? content
        : content.map((block) => ("text" in block ? block.text : "")).join(""),
  }));
  const from = said.findLastIndex(({ role, text }) => role === "user" && text !== "");
  const task = said[from]?.text ?? "";
  if (task.includes(digest))
    return errorReply(400, "invalid_request_error", "Your credit balance is too low to access the API.");
  const done = said.slice(from).filter(({ role }) => role === "assistant").length;
  const known = Object.entries(answers).find(([text]) => task.includes(text))?.[1];
  const { tokens } = past.find(({ title }) => task.includes(title)) ?? {};
  const answer = known?.[done] ?? {
    says: "That is done; the result is in the outputs.",
    tokens: tokens ?? [400, 900, 80],
  };
  const [input, cached, output] = answer.tokens;
  // So that a model request has its part of the time, as with a real one.
  if (known) await pause(2 * output);
  const blocks: FakeBlock[] = [
    ...(answer.thinks ? [{ type: "thinking" as const, thinking: [answer.thinks], signature: "c2ln" }] : []),
    ...(answer.says ? [{ type: "text" as const, text: [answer.says] }] : []),
    ...(answer.calls ?? []).map(({ name, input }, i) => ({
      type: "tool_use" as const,
      id: `toolu_${from}_${done}_${i}`,
      name,
      json: [JSON.stringify(input)],
    })),
  ];
  return answerReply({
    blocks,
    usage: [
      { input_tokens: input, cache_read_input_tokens: cached, output_tokens: 1 },
      { output_tokens: output },
    ],
  });
}

export interface Scene {
  session_id: string;
  waiting_id: string;
  agent_id: string;
  environment_id: string;
  self_hosted_id: string;
  vault_id: string;
  skill_id: string;
}

export async function playScene({ client, db }: Pick<TestServer, "client" | "db">): Promise<Scene> {
  const python = await client.beta.environments.create({
    name: "Python, our own API alone",
    config: {
      type: "cloud",
      networking: {
        type: "limited",
        allowed_hosts: ["api.acme.example", "*.internal.acme.example"],
        allow_mcp_servers: false,
        allow_package_managers: true,
      },
    },
  });
  const plain = await client.beta.environments.create({
    name: "Without a network",
    config: { type: "cloud", networking: { type: "limited" } },
  });
  const selfHosted = await client.beta.environments.create({
    name: "Build machines",
    config: { type: "self_hosted" },
  });
  const ids = {} as Record<keyof typeof agents, string>;
  for (const [key, { name, model, system, policy }] of Object.entries(agents)) {
    const { id } = await client.beta.agents.create({
      name,
      model,
      system,
      tools: [
        { type: "agent_toolset_20260401", default_config: { permission_policy: { type: policy } } },
        ...(key === "triage" ? [refundTool] : []),
      ],
    });
    ids[key as keyof typeof agents] = id;
  }
  await client.beta.agents.update(ids.invoices, {
    version: 1,
    system: `${agents.invoices.system}\nAmounts are in US dollars, to the cent.`,
  });

  const begin = async (agent: string, title: string, task: string, more: object = {}) => {
    const session = await client.beta.sessions.create({ agent, environment_id: plain.id, title, ...more });
    const following = await follow(client, session.id);
    await send(client, session.id, message(task));
    return { id: session.id, following };
  };
  const played = async (...args: Parameters<typeof begin>) => {
    const { id, following } = await begin(...args);
    await following.until(({ type }) => type === "session.status_idle");
    following.close();
    return id;
  };
  for (const { agent, title, days_ago } of past)
    await moveBack(db, await played(ids[agent], title, title), { days: days_ago });

  const vault = await client.beta.vaults.create({ display_name: "Acme production" });
  for (const [display_name, secret_name, host] of [
    ["GitHub, releases", "GITHUB_TOKEN", "api.github.com"],
    ["Stripe, read only", "STRIPE_KEY", "api.stripe.com"],
  ] as const)
    await client.beta.vaults.credentials.create(vault.id, {
      display_name,
      auth: {
        type: "environment_variable",
        secret_name,
        secret_value: "not-a-real-token-of-anybody",
        networking: { type: "limited", allowed_hosts: [host] },
      },
    });
  await client.beta.vaults.create({ display_name: "Staging" });
  const files = [];
  for (const [name, content] of [
    ["invoices.csv", csv(invoices)],
    ["statement.csv", csv(statement)],
    ["return-policy.md", Buffer.from("# Returns\n\nWithin 30 days, for any reason.\n")],
  ] as const)
    files.push(await client.beta.files.upload({ file: await toFile(content, name) }));
  const skill = await newSkill(client, "invoice-format", {
    "SKILL.md": skillText("invoice-format", "How Acme writes invoices, and what has to be on one."),
    "examples/good.csv": "number,amount\n",
  });
  await newSkill(client, "release-checklist", {
    "SKILL.md": skillText("release-checklist", "What is checked before a version is published."),
  });

  await moveBack(db, await played(ids.digest, "Log digest, no. 213", digest), { minutes: 96 });
  const resources = files
    .slice(0, 2)
    .map(({ id, filename }) => ({ type: "file", file_id: id, mount_path: filename }));
  const session_id = await played(ids.invoices, "Reconcile the October invoices", reconcile, { resources });
  const waiting_id = await played(ids.release, "Release 2.4.0", release);
  const refund_id = await played(ids.triage, "Refund for order A-20418", refund);
  await moveBack(db, session_id, { minutes: 41 });
  await moveBack(db, waiting_id, { minutes: 17 });
  await moveBack(db, refund_id, { minutes: 6 });
  const running = await begin(ids.research, "Customer interviews, autumn", interviews);
  await running.following.until(({ type }) => type === "agent.tool_use");
  running.following.close();
  return {
    session_id,
    waiting_id,
    agent_id: ids.invoices,
    environment_id: python.id,
    self_hosted_id: selfHosted.id,
    vault_id: vault.id,
    skill_id: skill.id,
  };
}

const refundTool = {
  type: "custom" as const,
  name: "refund_order",
  description: "Pays an order back. A person carries it out.",
  input_schema: {
    type: "object" as const,
    properties: { order: { type: "string" }, amount_usd: { type: "number" }, reason: { type: "string" } },
    required: ["order", "amount_usd"],
  },
};

/** As if it had been played so long ago, and taken its time. */
async function moveBack(
  db: TestServer["db"],
  sessionId: string,
  ago: { days: number } | { minutes: number },
) {
  const by = "days" in ago ? `interval '${ago.days} days'` : `interval '${ago.minutes} minutes'`;
  const columns: Record<string, string[]> = {
    event: ["created_at"],
    thread: ["created_at", "updated_at"],
    session_head: ["last_at", "status_at"],
    session: ["created_at", "updated_at"],
    // It has whole hours.
    ...("days" in ago && { usage_hour: ["hour"] }),
  };
  const run = (table: string, set: string) =>
    db.query(
      {
        name: `scene_${table}_${by.replaceAll(/\W/g, "_")}_${set.length}`,
        text: `update ${table} set ${set} where ${table === "session" ? "id" : "session_id"} = $1`,
      },
      [sessionId],
    );
  for (const [table, names] of Object.entries(columns))
    await run(table, names.map((name) => `${name} = ${name} - ${by}`).join(", "));
  if ("days" in ago) await run("usage_hour", "active_us = greatest(active_us, 50000) * 4000");
}

export const pictures = (scene: Scene) => [
  {
    name: "home",
    path: "",
    shows: "Release 2.4.0",
    says: "What waits for a person, what runs, what failed and why, what today has cost.",
  },
  {
    name: "sessions",
    path: "sessions",
    shows: "Reconcile the October invoices",
    says: "All sessions, by status, agent and time; the address has the filters.",
  },
  {
    name: "session",
    path: `sessions/${scene.session_id}`,
    shows: "Shall I draft the mail",
    says: "A session as it streams: calls folded, with their time and what came of them.",
  },
  {
    name: "approval",
    path: `sessions/${scene.waiting_id}`,
    shows: "Allow all",
    says: "Calls that wait for an approval: one by one, or all at once, with a message.",
  },
  {
    name: "timeline",
    path: `sessions/${scene.session_id}?tab=timeline`,
    shows: "model request",
    says: "Where the time went: model requests, tools, waits.",
  },
  {
    name: "events",
    path: `sessions/${scene.session_id}?tab=events`,
    shows: "agent.tool_use",
    says: "The log itself, with search, as JSON and as curl.",
  },
  {
    name: "threads",
    path: `sessions/${scene.session_id}?tab=threads`,
    shows: "One agent works in this session",
    says: "Who works in the session, who has called whom, and at what cost.",
  },
  {
    name: "outputs",
    path: `sessions/${scene.session_id}?tab=files`,
    shows: "unmatched.csv",
    says: "What it was given and what it has made, with previews.",
  },
  {
    name: "details",
    path: `sessions/${scene.session_id}?tab=details`,
    shows: "Usage",
    says: "Usage and cost, its sandbox, what it may reach, what it was refused.",
  },
  {
    name: "new-session",
    path: "sessions/new",
    shows: "Acme production",
    says: "An agent is put to work: where, with what, and on what.",
  },
  { name: "agents", path: "agents", shows: "Invoice reconciler", says: "All agents." },
  {
    name: "agent",
    path: `agents/${scene.agent_id}`,
    shows: "Save as version",
    says: "One agent as a form and as JSON, its versions, and a session to try it in.",
  },
  { name: "new-agent", path: "agents/new", shows: "As JSON", says: "A new one." },
  { name: "environments", path: "environments", shows: "Build machines", says: "All environments." },
  {
    name: "environment",
    path: `environments/${scene.environment_id}`,
    shows: "api.acme.example",
    says: "What its sandboxes may reach and are made of.",
  },
  {
    name: "self-hosted",
    path: `environments/${scene.self_hosted_id}`,
    shows: "Keys of workers",
    says: "One that runs on machines of one's own: its queue, workers and keys.",
  },
  { name: "vaults", path: "vaults", shows: "Acme production", says: "All vaults." },
  {
    name: "vault",
    path: `vaults/${scene.vault_id}`,
    shows: "GITHUB_TOKEN",
    says: "Credentials, which can be written and never read, and where each was used.",
  },
  { name: "files", path: "files", shows: "invoices.csv", says: "Files, uploaded by drop." },
  { name: "skills", path: "skills", shows: "invoice-format", says: "All skills, uploaded by drop." },
  {
    name: "skill",
    path: `skills?skill=${scene.skill_id}`,
    shows: "How Acme writes invoices",
    says: "Its versions, to be looked at file by file, and the next one.",
  },
  {
    name: "usage",
    path: "usage",
    shows: "Support triage",
    says: "Tokens, cost and active time by day, agent and model.",
  },
  {
    name: "system",
    path: "system",
    shows: "Sandbox hosts",
    says: "Health, load, queue, slow statements, settings without secrets.",
  },
];
