import { cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { type Figure, meetsBar, table } from "./figure.ts";
import { cache } from "./measures/cache.ts";
import { checkpoint } from "./measures/checkpoint.ts";
import { commit } from "./measures/commit.ts";
import { consolePage } from "./measures/console.ts";
import { credentials } from "./measures/credentials.ts";
import { firstToken } from "./measures/first-token.ts";
import { idle } from "./measures/idle.ts";
import { idleSandboxes } from "./measures/idle-sandboxes.ts";
import { recovery } from "./measures/recovery.ts";
import { sandbox } from "./measures/sandbox.ts";
import { statements } from "./measures/statements.ts";
import { appends, readers, streams } from "./measures/stream.ts";
import { requestLeaves, toolStep, wholeTurn } from "./measures/turn.ts";
import { wake } from "./measures/wake.ts";
import { type Rig, startRig } from "./rig.ts";

const measures: Record<string, (rig: Rig) => Promise<Figure[]>> = {
  commit,
  statements,
  cache,
  "request-leaves": requestLeaves,
  "whole-turn": wholeTurn,
  "tool-step": toolStep,
  appends,
  streams,
  readers,
  sandbox,
  "idle-sandboxes": idleSandboxes,
  "first-token": firstToken,
  credentials,
  checkpoint,
  wake,
  recovery,
  idle,
  console: consolePage,
};

const usage = `Usage: npm run bench -- [--json] [measure ...]

Measures: ${Object.keys(measures).join(", ")} (default: all of them)
`;

const { values, positionals } = readArguments();
const unknown = positionals.filter((name) => !(name in measures));
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) process.stderr.write(`There is no measure ${unknown.join(", ")}.\n\n`);
  process.stderr.write(usage);
  process.exit(unknown.length > 0 ? 2 : 0);
}

const say = (text: string) => process.stderr.write(`${text}\n`);
const started = Date.now();
const [load = 0] = loadavg();
const elapsed = () => `${((Date.now() - started) / 1_000).toFixed(0).padStart(3)} s`;

say(`${elapsed()}  starting PostgreSQL and hands`);
const rig = await startRig();
const figures: Figure[] = [];
try {
  if (rig.noSandbox) say(`without sandboxes: ${rig.noSandbox}`);
  for (const [name, measure] of Object.entries(measures)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    say(`${elapsed()}  ${name}`);
    figures.push(...(await measure(rig)));
  }
} finally {
  await rig.close();
}
say(`${elapsed()}  done`);

const machine = {
  cores: cpus().length,
  memory_gib: Math.round(totalmem() / 1024 ** 3),
  cpu: cpus()[0]?.model ?? "unknown",
  node: process.versions.node,
  postgres: rig.postgres,
  load_at_start: load,
};
if (values.json) {
  const measured = figures.map((figure) => ({ ...figure, met: meetsBar(figure) }));
  process.stdout.write(`${JSON.stringify({ machine, figures: measured }, null, 2)}\n`);
} else {
  const { cores, memory_gib, node, postgres } = machine;
  process.stdout.write(
    `\n${cores} cores, ${memory_gib} GiB, Node ${node}, PostgreSQL ${postgres}, load ${load.toFixed(1)} at the start\n\n`,
  );
  process.stdout.write(`${table(figures)}\n`);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
