import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsAgent as Agent,
  AgentCreateParams,
  AgentUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/agents/agents";
import { parseAllDocuments, stringify } from "yaml";
import { z } from "zod";
import { exits, Failure } from "../exits.ts";
import { jsonText, painter, visibleLine } from "../terminal.ts";
import { diffOf, type Line } from "./diff.ts";

/** What the server judges is left to it. */
const wantedAgent = z.looseObject({
  id: z.string().optional(),
  name: z.string().min(1),
  model: z.union([z.string(), z.looseObject({ id: z.string() })]),
});
type Wanted = z.infer<typeof wantedAgent>;

/** A file says all of an agent: what it leaves out is cleared. */
const cleared: Record<string, unknown> = {
  description: null,
  system: null,
  tools: [],
  mcp_servers: [],
  skills: [],
  metadata: {},
};

export interface ApplyOptions {
  filename: string;
  dryRun?: boolean;
  json?: boolean;
}

/** Makes the agents that a file describes, or changes those that are there into them. */
export async function applyAgents(
  client: Anthropic,
  { filename, dryRun = false, json }: ApplyOptions,
): Promise<void> {
  for (const wanted of await wantedIn(filename)) {
    const { id: _, ...fields } = { ...cleared, ...wanted };
    const before = await existing(client, wanted);
    const lines = diffOf(yamlOf(before ? projected(before, fields) : {}), yamlOf(fields));
    const isSame = lines.every(({ mark }) => mark === " ");
    const after = dryRun ? null : await written(client, before, fields);
    if (json) {
      process.stdout.write(
        `${jsonText(after ?? { id: before?.id ?? null, name: wanted.name, changes: !isSame })}\n`,
      );
      continue;
    }
    const version = after?.version ?? before?.version ?? 1;
    const changed = after && before ? after.version !== before.version : !isSame;
    // What the file does not name can have changed all the same: a default within a tool, say.
    const shown = changed && isSame && before && after ? diffOf(yamlOf(before), yamlOf(after)) : lines;
    if (changed) process.stdout.write(drawn(shown));
    const who = `${after?.id ?? before?.id ?? "agent"} ${JSON.stringify(wanted.name)}`;
    process.stdout.write(`${visibleLine(who)} ${outcomeOf(before, changed, version, dryRun)}\n`);
  }
}

function outcomeOf(before: Agent | null, changed: boolean, version: number, dryRun: boolean): string {
  if (!before) return dryRun ? "would be created" : "is created";
  if (!changed) return `is as the file says: version ${version}`;
  return dryRun ? `would be changed from version ${version}` : `is changed: version ${version}`;
}

async function wantedIn(filename: string): Promise<Wanted[]> {
  const from = filename === "-" ? "standard input" : filename;
  const source = filename === "-" ? await text(process.stdin) : readFileSync(filename, "utf8");
  const documents = parseAllDocuments(source);
  if (!Array.isArray(documents)) throw new Failure(`${from}: holds no agent`, exits.usage);
  return documents.map((document) => {
    const [error] = document.errors;
    if (error) throw new Failure(`${from}: ${error.message.split("\n")[0]}`, exits.usage);
    const read = wantedAgent.safeParse(document.toJS());
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    throw new Failure(`${from}: ${issue?.path.join(".") || "the agent"}: ${issue?.message}`, exits.usage);
  });
}

/** By the id that the file names, else by its name. */
async function existing(client: Anthropic, { id, name }: Wanted): Promise<Agent | null> {
  if (id !== undefined) return client.beta.agents.retrieve(id);
  const found: Agent[] = [];
  for await (const agent of client.beta.agents.list({ limit: 100 }))
    if (agent.name === name) found.push(agent);
  if (found.length > 1)
    throw new Failure(
      `${found.length} agents are called ${JSON.stringify(name)}: name one in the file, as id: ${found.map(({ id }) => id).join(", ")}`,
    );
  return found[0] ?? null;
}

async function written(
  client: Anthropic,
  before: Agent | null,
  fields: Record<string, unknown>,
): Promise<Agent> {
  if (!before) return client.beta.agents.create(fields as unknown as AgentCreateParams);
  const gone = Object.keys(before.metadata).map((key) => [key, null]);
  const metadata = { ...Object.fromEntries(gone), ...(fields.metadata as object) };
  const { version } = before;
  return client.beta.agents.update(before.id, { ...fields, metadata, version } as AgentUpdateParams);
}

/** Of what the server has, what a file says too: it adds defaults, and writes a model's name as an object. */
function projected(value: unknown, wanted: unknown): unknown {
  if (typeof wanted === "string" && isRecord(value)) return value.id;
  if (Array.isArray(wanted) && Array.isArray(value))
    return value.map((item, n) => (n in wanted ? projected(item, wanted[n]) : item));
  if (!isRecord(wanted) || !isRecord(value)) return value;
  // Keys of people are all of them said.
  const keys = Object.keys(wanted).filter((key) => key in value);
  return Object.fromEntries(
    keys.map((key) => [key, key === "metadata" ? value[key] : projected(value[key], wanted[key])]),
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const yamlOf = (value: unknown): string[] =>
  isRecord(value) && Object.keys(value).length === 0
    ? []
    : stringify(value, { lineWidth: 0 }).trimEnd().split("\n");

/** What has changed, with three lines around it. */
function drawn(lines: readonly Line[]): string {
  const paint = painter(process.stdout);
  const near = (n: number) => lines.slice(Math.max(0, n - 3), n + 4).some(({ mark }) => mark !== " ");
  return lines
    .flatMap(({ mark, text }, n) => {
      if (!near(n)) return [];
      const line = `${mark} ${visibleLine(text)}`;
      return [mark === " " ? paint("dim", line) : paint(mark === "+" ? "green" : "red", line)];
    })
    .map((line) => `${line}\n`)
    .join("");
}
