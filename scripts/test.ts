import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { startCluster } from "../src/db/testing.ts";

const given = process.argv.slice(2);
const all = given.includes("--all");
const named = given.filter((argument) => !argument.startsWith("--"));

function step(name: string, command: string, args: string[]): void {
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) {
    process.stdout.write(`\n${name} failed\n`);
    process.exit(status ?? 1);
  }
}

if (named.length === 0 && !all) {
  step("types", "node_modules/.bin/tsc", ["--noEmit"]);
  step("lint and format", "node_modules/.bin/biome", ["check", "--error-on-warnings", "."]);
}

const files = all ? globSync("test/**/*.long.ts") : globSync(["src/**/*.test.ts", "test/**/*.test.ts"]);
const cluster = await startCluster();
process.env.DROVER_TEST_POSTGRES = cluster.url;
process.env.NODE_ENV = "test";
process.stdout.write("\n== tests\n");
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-concurrency=2",
    `--test-timeout=${all ? 1_800_000 : 180_000}`,
    ...(named.length > 0 ? named : files.toSorted()),
  ],
  { stdio: "inherit" },
);
await cluster.stop();
process.exit(status ?? 1);
