import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { markdown, verdict } from "./report.ts";
import { chaos } from "./run.ts";

const usage = `Usage: npm run chaos -- [--seed <n>] [--minutes <n>] [--sessions <n>] [--report <file.md>]

Sessions run on the simulated model while an adversary kills, freezes and cuts off whatever they run on; then a checker looks
at what has come of it. A seed makes the same plan of harm again.
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    minutes: { type: "string", default: "1" },
    sessions: { type: "string", default: "12" },
    report: { type: "string" },
    help: { type: "boolean", short: "h" },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const seed = Number(values.seed ?? randomInt(2 ** 31));
const minutes = Number(values.minutes);
const players = Number(values.sessions);
if (!Number.isSafeInteger(seed) || !(minutes > 0) || !Number.isSafeInteger(players) || players < 1) {
  process.stderr.write(usage);
  process.exit(2);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
process.stderr.write(`seed ${seed}\n`);
const report = await chaos({
  seed,
  run_ms: minutes * 60_000,
  players,
  tell: (line) => void process.stderr.write(`${line}\n`),
});
const text = markdown(report, new Date().toISOString().slice(0, 10));
if (values.report === undefined) process.stdout.write(text);
else writeFileSync(values.report, text);
process.stderr.write(`${verdict(report)}\n`);
process.exit(report.problems.length === 0 ? 0 : 1);
