import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { thisMachine, vaultSocketOf } from "../src/cli/machine.ts";
import { readConfig } from "../src/config.ts";
import { freePort } from "./harness/free-port.ts";
import { scraped } from "./harness/metrics.ts";

const repository = join(import.meta.dirname, "..");
const dataDir = mkdtempSync(join(tmpdir(), "drover-up-"));
chmodSync(dataDir, 0o711);
const configFile = `${dataDir}.yaml`;
const port = await freePort();
let running: Up | null = null;
// It is of another process group, so a Ctrl-C that ends this test does not reach it.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    if (running) process.kill(-(running.process.pid ?? 0), "SIGTERM");
    process.exit(1);
  });
}
after(async () => {
  if (running) await end(running, "SIGTERM");
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(configFile, { force: true });
  rmSync(configured().runtime_dir, { recursive: true, force: true });
});

const configured = () =>
  readConfig({ XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR, DROVER_DATA_DIR: dataDir }, thisMachine());

interface Up {
  process: ChildProcess;
  lines: string[];
  /** Resolves with the first line, from now on or before, that matches. */
  line(pattern: RegExp): Promise<string>;
}

/** `drover up` in a process group of its own, as a terminal would start it. */
function up(env: NodeJS.ProcessEnv = {}): Up {
  const child = spawn(process.execPath, ["src/main.ts", "up"], {
    cwd: repository,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HOME: process.env.HOME,
      XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR,
      DROVER_DATA_DIR: dataDir,
      DROVER_PORT: String(port),
      DROVER_LOG: "warn",
      DROVER_CONSOLE_BUILD: "0",
      ...env,
    },
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on("line", (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
  }
  const started: Up = {
    process: child,
    lines,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find((line) => pattern.test(line));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        child.once("close", () => reject(new Error(`it ended without ${pattern}:\n${lines.join("\n")}`)));
        look();
      }),
  };
  return started;
}

async function start(env?: NodeJS.ProcessEnv): Promise<Up> {
  running = up(env);
  await running.line(/^ready http/);
  return running;
}

async function end({ process: child }: Up, ...signals: NodeJS.Signals[]): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const closed = once(child, "close");
  for (const signal of signals) process.kill(-(child.pid ?? 0), signal);
  const [code] = (await closed) as [number | null];
  running = null;
  return code;
}

const readProc = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
};
/** Those that live: a zombie only waits for its parent. */
const pids = () =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name) && !/^State:\s+Z/m.test(readProc(name, "status")));

/** The fourth and fifth field of `stat`, after the name, which may hold spaces. */
const family = (pid: string) => {
  const [, parent, group] = readProc(pid, "stat").split(") ")[1]?.split(" ") ?? [];
  return { parent: Number(parent), group: Number(group) };
};

/** Whatever is left of its group, and what names the data directory, as PostgreSQL does. */
const left = ({ process: { pid } }: Up) =>
  pids()
    .map((each) => ({ group: family(each).group, command: readProc(each, "cmdline").replaceAll("\0", " ") }))
    .filter(({ group, command }) => group === pid || command.includes(`${dataDir}/`))
    .map(({ command }) => command);

const childOf = ({ process: { pid } }: Up, title: string) =>
  Number(pids().find((each) => readProc(each, "cmdline").startsWith(title) && family(each).parent === pid));

const apiKey = () => readFileSync(join(dataDir, "api-key"), "utf8").trim();

async function sessions(): Promise<{ id: string; status: string }[]> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/sessions`, {
    headers: {
      "x-api-key": apiKey(),
      "anthropic-version": "2023-06-01",
      "anthropic-beta": "managed-agents-2026-04-01",
    },
  });
  assert.equal(response.status, 200);
  return ((await response.json()) as { data: { id: string; status: string }[] }).data;
}

/** Settings that mean something to `serve` alone. */
const forServe = {
  DROVER_WORK_LEASE: "45",
  DROVER_WORKSPACE_DAYS: "9",
  DROVER_HOST_GONE: "77",
  DROVER_FILES_QUOTA: "3",
  DROVER_FILES_DOWNLOADABLE: "1",
  DROVER_RUNTIME_PRICE: "0.5",
  DROVER_CAP_PER_WORKSPACE_DAY: "50",
};

test("a fresh data directory plays one session, and neither hands nor egress holds a secret", async () => {
  writeFileSync(
    configFile,
    "models: { providers: { work: { type: openai, api_key_env: WORK_KEY } }, aliases: { default: work/x } }\nweb: { search: { provider: brave, key_env: BRAVE } }\nsandboxes: { package_hosts: [mirror.corp] }",
  );
  const first = await start({
    DROVER_CONFIG: configFile,
    WORK_KEY: "sk-secret-of-another-one",
    BRAVE: "secret-of-the-search",
    DROVER_ANTHROPIC_API_KEY: "sk-secret-of-the-provider",
    DROVER_ANTHROPIC_BASE_URL: "http://127.0.0.1:1",
    DROVER_JUDGE_MODEL: "claude-judge-of-its-own",
    ...forServe,
  });
  await first.line(/idle end_turn/);
  assert.equal((await sessions()).length, 1);
  for (const name of ["drover hands", "drover egress"]) {
    const environment = readProc(String(childOf(first, name)), "environ");
    assert.match(environment, /DROVER_DATA_DIR=/);
    assert.doesNotMatch(environment, /secret|drover-key|postgres|KEY|DROVER_CONFIG/);
  }
  const egress = readProc(String(childOf(first, "drover egress")), "status");
  // As root it stays root for nobody to find.
  assert.doesNotMatch(egress, /^Uid:\t0\t/m);
  assert.match(
    readProc(String(childOf(first, "drover egress")), "environ"),
    /DROVER_PACKAGE_HOSTS=mirror\.corp/,
  );
  // What egress asks for secrets is open to it and to nobody else.
  const { mode, uid } = statSync(vaultSocketOf(configured()));
  assert.equal(mode & 0o777, 0o600);
  assert.equal(uid, Number(/^Uid:\t(\d+)/m.exec(egress)?.[1]));
  const serves = readProc(String(childOf(first, "drover serve")), "environ");
  assert.match(serves, /claude-judge-of-its-own/);
  assert.match(serves, /WORK_KEY=sk-secret-of-another-one/);
  assert.match(serves, /DROVER_CONFIG=/);
  assert.match(serves, /DROVER_SEARCH_KEY=secret-of-the-search/);
  for (const [name, value] of Object.entries(forServe))
    assert.ok(serves.split("\0").includes(`${name}=${value}`), name);
});

test("a second one on the same data directory names the first and ends", async () => {
  const second = up();
  const [code] = await once(second.process, "close");
  assert.equal(code, 1);
  assert.deepEqual(second.lines, [
    `drover up: another drover up (pid ${running?.process.pid}) already runs on ${dataDir}`,
  ]);
});

test("each part that is killed is back, and a line says so", async () => {
  assert.ok(running);
  process.kill(childOf(running, "drover serve"), "SIGKILL");
  await running.line(/serve: was killed by SIGKILL; starting it again/);
  await running.line(/serve is back/);
  process.kill(childOf(running, "drover hands"), "SIGKILL");
  await running.line(/hands is back/);
  process.kill(childOf(running, "drover egress"), "SIGKILL");
  await running.line(/egress is back/);
  const [pid = ""] = readFileSync(join(dataDir, "postgres/postmaster.pid"), "utf8").split("\n");
  process.kill(Number(pid), "SIGKILL");
  await running.line(/PostgreSQL is back/);
});

test("Ctrl-C, of which npm makes two, stops everything", async () => {
  assert.ok(running);
  const ended = running;
  assert.equal(await end(ended, "SIGINT", "SIGINT"), 0);
  assert.deepEqual(left(ended), []);
});

test("the next start finds all data and plays nothing", async () => {
  const next = await start();
  assert.deepEqual(
    (await sessions()).map((session) => session.status),
    ["idle"],
  );
  assert.ok(!next.lines.some((line) => line.includes("turn running")));
});

test("killed with -9, its children end, and the next start takes PostgreSQL over", async () => {
  assert.ok(running);
  const killed = running;
  process.kill(killed.process.pid ?? 0, "SIGKILL");
  const next = await start();
  await next.line(/PostgreSQL .* was still running/);
  assert.equal((await sessions()).length, 1);
  const { pid } = killed.process;
  assert.ok(!pids().some((each) => family(each).group === pid), "a child outlived it");
});

test("a terminal that goes away stops everything", async () => {
  assert.ok(running);
  const ended = running;
  ended.process.stdout?.destroy();
  assert.equal(await end(ended, "SIGHUP"), 0);
  assert.deepEqual(left(ended), []);
});

test("a port in use is one line, and leaves nothing behind", async () => {
  const holder = createServer().listen(port, "127.0.0.1");
  await once(holder, "listening");
  const refused = up();
  const [code] = await once(refused.process, "close");
  holder.close();
  assert.equal(code, 1);
  assert.equal(
    refused.lines.at(-1),
    `drover up: serve: 127.0.0.1:${port} is in use: set DROVER_PORT or DROVER_HOST to another one`,
  );
  assert.deepEqual(left(refused), []);
});

test("a database that cannot be reached is one line", async () => {
  const refused = up({ DATABASE_URL: "postgresql://drover@127.0.0.1:1/drover" });
  const [code] = await once(refused.process, "close");
  assert.equal(code, 1);
  assert.match(refused.lines.at(-1) ?? "", /serve: the database cannot be reached .*ECONNREFUSED/);
});

test("without bubblewrap it starts, and one line says what is missing", async () => {
  const programs = mkdtempSync(join(tmpdir(), "drover-path-"));
  after(() => rmSync(programs, { recursive: true }));
  symlinkSync("/usr/bin/flock", join(programs, "flock"));
  symlinkSync("/usr/bin/id", join(programs, "id"));
  const metrics = `127.0.0.1:${await freePort()}`;
  const started = await start({ PATH: programs, DROVER_METRICS: metrics });
  assert.ok((await scraped(`http://${metrics}/metrics`)).has("drover_sessions_taken_over_total"));
  assert.equal(started.lines.filter((line) => line.includes("bubblewrap is not installed")).length, 1);
  assert.equal(await end(started, "SIGTERM", "SIGTERM"), 0);
  assert.deepEqual(left(started), []);
  assert.ok(existsSync(join(dataDir, "postgres/PG_VERSION")));
});
