import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { type Document, isScalar, parseAllDocuments, stringify } from "yaml";
import type { z } from "zod";
import { type Problem, problemsWith } from "../../protocol/problems.ts";
import { exits, Failure } from "../exits.ts";
import { jsonText, painter, visibleLine } from "../terminal.ts";
import { diffOf, type Line } from "./diff.ts";

interface Wanted {
  id?: string | undefined;
  name: string;
  /** The one that the file was made from. */
  version?: number | undefined;
}

/** Of agents and environments what of them is compared. */
interface Applied {
  id: string;
  name: string;
  metadata: Record<string, string>;
  /** Environments have none. */
  version?: number;
}

export interface Kind<Item extends Applied> {
  noun: "agent" | "environment";
  /** What the server judges is left to it. */
  shape: z.ZodType<Wanted>;
  /** What a server of this version takes: what nothing is sent of is held against it. */
  body: z.ZodType;
  /** A file says all of a thing: what it leaves out is cleared. */
  whole(wanted: Wanted, before: Item | null): Record<string, unknown>;
  get(id: string): Promise<Item>;
  all(): AsyncIterable<Item>;
  create(fields: Record<string, unknown>): Promise<Item>;
  update(before: Item, fields: Record<string, unknown>): Promise<Item>;
}

export interface ApplyOptions {
  filename: string;
  dryRun?: boolean;
  json?: boolean;
}

/** Makes what a file describes, or changes what is there into it. */
export async function apply<Item extends Applied>(
  kind: Kind<Item>,
  { filename, dryRun = false, json }: ApplyOptions,
): Promise<void> {
  const all = await wantedIn(kind, filename);
  for (const wanted of all) {
    try {
      await applyOne(kind, wanted, { dryRun, json });
    } catch (error) {
      // The line goes on with what was wrong.
      if (all.length > 1) process.stderr.write(visibleLine(`${kind.noun} ${JSON.stringify(wanted.name)}: `));
      throw error;
    }
  }
}

async function applyOne<Item extends Applied>(
  kind: Kind<Item>,
  wanted: Wanted,
  { dryRun, json }: { dryRun: boolean; json: boolean | undefined },
): Promise<void> {
  const before = await existing(kind, wanted);
  const fields = settable(kind, kind.whole(wanted, before));
  const lines = diffOf(yamlOf(before ? projected(before, fields) : {}), yamlOf(fields));
  const isSame = lines.every(({ mark }) => mark === " ");
  if (before && !isSame && wanted.version !== undefined && wanted.version !== before.version)
    throw new Failure(
      `${before.id} is at version ${before.version}, and the file says version ${wanted.version}: write it from the newest one, or without version`,
    );
  const problems = dryRun ? problemsWith(kind.body, fields) : [];
  const after = dryRun ? null : await written(kind, before, fields);
  const changed = after && before ? !isDeepStrictEqual(after, before) : !isSame;
  const who = `${after?.id ?? before?.id ?? kind.noun} ${JSON.stringify(wanted.name)}`;
  if (json) {
    const would = { id: before?.id ?? null, name: wanted.name, changes: changed };
    process.stdout.write(`${jsonText(after ?? would)}\n`);
  } else {
    // What the file does not name can have changed all the same: a default within a tool, say.
    const shown = changed && isSame && before && after ? diffOf(yamlOf(before), yamlOf(after)) : lines;
    if (changed) process.stdout.write(drawn(shown));
    const outcome = outcomeOf(before, changed, after?.version ?? before?.version, dryRun);
    if (problems.length === 0) process.stdout.write(`${visibleLine(who)} ${outcome}\n`);
  }
  if (problems.length > 0) tellRefused(who, problems);
}

/** Without what only the API says: a file may be what it has answered. */
function settable(
  { noun }: { noun: string },
  {
    id: _,
    version: __,
    created_at: ___,
    updated_at: ____,
    archived_at: _____,
    ...fields
  }: Record<string, unknown>,
): Record<string, unknown> {
  const { type, ...others } = fields;
  return type === noun ? others : fields;
}

function tellRefused(who: string, problems: readonly Problem[]): void {
  process.stderr.write(`${visibleLine(`${who} would be refused: ${toldOf(problems)}`)}\n`);
  process.exitCode = exits.failed;
}

const toldOf = (problems: readonly Problem[]): string =>
  problems
    .map(({ path, message }) => [...(path.length > 0 ? [path.join(".")] : []), message].join(": "))
    .join("; ");

function outcomeOf(
  before: Applied | null,
  changed: boolean,
  version: number | undefined,
  dryRun: boolean,
): string {
  if (!before) return dryRun ? "would be created" : "is created";
  const which = version === undefined ? "" : `version ${version}`;
  const told = which && `: ${which}`;
  if (!changed) return `is as the file says${told}`;
  return dryRun ? `would be changed${which && ` from ${which}`}` : `is changed${told}`;
}

async function wantedIn<Item extends Applied>(
  { noun, shape }: Kind<Item>,
  filename: string,
): Promise<Wanted[]> {
  const from = filename === "-" ? "standard input" : filename;
  const source = filename === "-" ? await text(process.stdin) : readFileSync(filename, "utf8");
  const wrong = (what: string) => new Failure(`${from}: ${what}`, exits.usage);
  // Between two lines of dashes, and after the last one, there may be nothing.
  const documents = [...parseAllDocuments(source, { stringKeys: true, logLevel: "silent" })].filter(
    ({ contents, errors }) => errors.length > 0 || !isScalar(contents) || contents.value !== null,
  );
  if (documents.length === 0) throw wrong(`holds no ${noun}`);
  const seen = new Set<string>();
  return documents.map((document) => {
    const value = jsonOf(document, wrong);
    const read = shape.safeParse(value);
    if (!read.success) throw wrong(`${noun}: ${toldOf(problemsWith(shape, value))}`);
    const { id, name } = read.data;
    if (seen.has(id ?? name)) throw wrong(`has ${noun} ${JSON.stringify(id ?? name)} twice`);
    seen.add(id ?? name);
    return read.data;
  });
}

/** As JSON has it. What a tag means that nobody knows, and what stands for very much or for itself, is a mistake. */
function jsonOf(document: Document.Parsed, wrong: (what: string) => Failure): unknown {
  const [error] = [...document.errors, ...document.warnings];
  if (error) throw wrong(error.message.split("\n")[0] ?? "");
  try {
    return JSON.parse(JSON.stringify(document.toJS()));
  } catch (error) {
    throw wrong((error as Error).message.split("\n")[0] ?? "");
  }
}

/** By the id that the file names, else by its name. */
async function existing<Item extends Applied>(kind: Kind<Item>, { id, name }: Wanted): Promise<Item | null> {
  if (id !== undefined) return kind.get(id);
  const found: Item[] = [];
  for await (const item of kind.all()) if (item.name === name) found.push(item);
  if (found.length > 1)
    throw new Failure(
      `${found.length} ${kind.noun}s are called ${JSON.stringify(name)}: name one in the file, as id: ${found.map(({ id }) => id).join(", ")}`,
    );
  return found[0] ?? null;
}

function written<Item extends Applied>(
  kind: Kind<Item>,
  before: Item | null,
  fields: Record<string, unknown>,
): Promise<Item> {
  if (!before) return kind.create(fields);
  const gone = Object.keys(before.metadata).map((key) => [key, null]);
  const metadata = { ...Object.fromEntries(gone), ...(fields.metadata as object) };
  return kind.update(before, { ...fields, metadata });
}

/** Of what the server has, what a file says too: it adds defaults, and writes a model's name as an object. */
function projected(value: unknown, wanted: unknown): unknown {
  if (typeof wanted === "string" && isRecord(value)) return value.id;
  if (Array.isArray(wanted) && Array.isArray(value))
    return value.map((item, n) => (n in wanted ? projected(item, wanted[n]) : item));
  if (!isRecord(wanted) || !isRecord(value)) return value;
  // Of another type it is another thing, and all of the old one goes.
  if (wanted.type !== undefined && wanted.type !== value.type) return value;
  // Keys of people are all of them said.
  const keys = Object.keys(wanted).filter((key) => key in value);
  return Object.fromEntries(
    keys.map((key) => [key, key === "metadata" ? value[key] : projected(value[key], wanted[key])]),
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What is not set is no line. */
function yamlOf(value: unknown): string[] {
  const set = JSON.parse(JSON.stringify(value, (_, each) => (each === null ? undefined : each)));
  return Object.keys(set).length === 0 ? [] : stringify(set, { lineWidth: 0 }).trimEnd().split("\n");
}

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
