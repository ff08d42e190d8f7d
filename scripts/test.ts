import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import {
  type Binaries,
  chooseBinaries,
  packagedBinaries,
  systemBinaries,
} from "../src/db/embedded/binaries.ts";
import { makeTemplate, startCluster } from "../src/db/testing.ts";
import { longestFirst } from "./longest-first.ts";
import { memoryFolder } from "./memory-folder.ts";

const given = process.argv.slice(2);
const all = given.includes("--all");
const named = given.filter((argument) => argument !== "--all");
const unknownOptions = named.filter((argument) => argument.startsWith("-"));
if (unknownOptions.length > 0 || (all && named.length > 0)) {
  const why =
    unknownOptions.length > 0 ? `${unknownOptions.join(" ")} is not an option` : "--all takes no files";
  process.stderr.write(
    `scripts/test: ${why}; it is called with --all, or with test files, or with nothing\n`,
  );
  process.exit(2);
}

function step(name: string, command: string, args: string[]): void {
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status === 0) return;
  process.stdout.write(`\n${name} failed\n`);
  process.exit(status ?? 1);
}

/** How long a test and all of them together may take, in minutes, and how many files run at a time. */
type Limits = { each: number; all: number; at_a_time?: number };

/** Runs them on a PostgreSQL of their own, which is stopped however they end. */
async function tests(name: string, files: string[], limits: Limits, binaries?: Binaries): Promise<void> {
  const cluster = await startCluster(binaries);
  const told = new AbortController();
  process.env.DROVER_TEST_POSTGRES = cluster.url;
  try {
    process.env.DROVER_TEST_TEMPLATE = await makeTemplate(cluster);
    process.stdout.write(`\n== ${name}\n`);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => told.abort());
    // A file whose tests have ended and that does not end itself is under no limit of the runner's.
    const deadline = setTimeout(() => {
      process.stdout.write(`\n${name} took more than ${limits.all} minutes\n`);
      told.abort();
    }, limits.all * 60_000);
    let passed = false;
    const running = run({
      // The runner's own command line sorts them by their names.
      files: longestFirst(files),
      concurrency: limits.at_a_time ?? 2,
      timeout: limits.each * 60_000,
      signal: told.signal,
    });
    running.on("test:summary", ({ file, success }) => {
      if (file === undefined) passed = success;
    });
    await pipeline(running, new spec(), process.stdout, { end: false });
    clearTimeout(deadline);
    if (!passed) process.exitCode = 1;
  } finally {
    await cluster.stop();
  }
  if (told.signal.aborted) process.exit(1);
}

/** Those of `npm test`. */
function usualFiles(): string[] {
  return globSync(["{src,test,scripts}/**/*.test.ts", "console/src/**/*.test.ts"]).toSorted();
}

/** One of each major version on this machine beside the one that the tests use anyway. */
function otherVersions(copies: string): Binaries[] {
  const usual = chooseBinaries(null, copies).major;
  const packaged = packagedBinaries(copies);
  const found = [...systemBinaries(), ...(packaged ? [packaged] : [])].filter(({ major }) => major !== usual);
  return found.filter(({ major }, i) => found.findIndex((other) => other.major === major) === i);
}

/** As it is built from what lies here. */
async function consoleTests(): Promise<void> {
  process.stdout.write("\n== console\n");
  const { status } = spawnSync("scripts/console", { stdio: "inherit" });
  // One at a time: a browser alone takes more than a processor.
  if (status === 0)
    return tests("console in a browser", globSync("console/{e2e,src}/**/*.long.ts").toSorted(), {
      each: 15,
      all: 45,
      at_a_time: 1,
    });
  if (existsSync("console/node_modules/.drover-installed")) {
    process.stdout.write("\nconsole failed\n");
    process.exitCode = 1;
  } else
    process.stdout.write("\nskipped: what the console is built with could not be installed, see above\n");
}

if (named.length > 0) await tests("tests", named, { each: 30, all: 60 });
else if (!all) {
  step("types", "node_modules/.bin/tsc", ["--noEmit"]);
  step("lint and format", "node_modules/.bin/biome", ["check", "--error-on-warnings", "."]);
  // Most of them wait a part of their time.
  const at_a_time = Math.min(availableParallelism() + 1, 8);
  const memory = memoryFolder();
  if (memory) {
    process.env.TMPDIR = memory.path;
    process.once("exit", memory.remove);
  }
  await tests("tests", usualFiles(), { each: 4, all: 25, at_a_time });
} else {
  // Of some files `npm test` leaves a part out.
  const partly = usualFiles().filter((file) => readFileSync(file, "utf8").includes("/harness/long.ts"));
  process.env.DROVER_TEST_LONG = "1";
  await tests("long tests", [...globSync("test/**/*.long.ts").toSorted(), ...partly], { each: 20, all: 55 });
  delete process.env.DROVER_TEST_LONG;
  await consoleTests();
  const copies = mkdtempSync(join(tmpdir(), "drover-versions-"));
  chmodSync(copies, 0o711);
  const onDatabase = globSync(["src/{log,brain,api,resources}/**/*.test.ts"]).toSorted();
  const versions = otherVersions(copies);
  for (const version of versions)
    await tests(`PostgreSQL ${version.major}`, onDatabase, { each: 3, all: 10 }, version);
  if (versions.length === 0)
    process.stdout.write("\nskipped: no other PostgreSQL version is on this machine\n");
  rmSync(copies, { recursive: true, force: true });
}
