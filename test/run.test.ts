import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { connect } from "../src/cli/client/connection.ts";
import { playTurn } from "../src/cli/client/session.ts";
import { freePort } from "./harness/free-port.ts";
import { longTest } from "./harness/long.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { testKey } from "./harness/server.ts";
import {
  follow,
  isIdle,
  newSession,
  prepare,
  prepareWithSetup,
  type StreamEvent,
  saidIn,
  typesOf,
} from "./harness/session.ts";
import { heldCommand, talksUntilReleased } from "./harness/workspace.ts";

const main = join(import.meta.dirname, "../src/main.ts");
let processes: Processes;
let serve: Awaited<ReturnType<Processes["serve"]>>;
let port: number;
const children: ChildProcess[] = [];

before(async () => {
  processes = await startProcesses();
  port = await freePort();
  [, serve] = await Promise.all([processes.hands(), processes.serve(port)]);
});
after(async () => {
  for (const child of children) child.kill("SIGKILL");
  await processes.close();
});

interface Run {
  process: ChildProcess;
  /** Resolves with the first line of either output that matches, from now on or before. */
  line(pattern: RegExp): Promise<string>;
  ended: Promise<{ code: number | null; out: string[]; err: string[] }>;
}

function watch(child: ChildProcess): Run {
  children.push(child);
  const out: string[] = [];
  const err: string[] = [];
  const looks = new Set<() => void>();
  const read = async (input: ChildProcess["stdout"], lines: string[]) => {
    if (!input) throw new Error("a child without output");
    for await (const line of createInterface({ input })) {
      lines.push(line);
      for (const look of looks) look();
    }
  };
  const exit = once(child, "exit") as Promise<[number | null]>;
  const ended = Promise.all([exit, read(child.stdout, out), read(child.stderr, err)]).then(([[code]]) => ({
    code,
    out,
    err,
  }));
  return {
    process: child,
    ended,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = [...out, ...err].find((line) => pattern.test(line));
          if (found !== undefined) resolve(found);
        };
        looks.add(look);
        ended.then(() => reject(new Error(`it ended without ${pattern}:\n${[...out, ...err].join("\n")}`)));
        look();
      }),
  };
}

const settings = (more: NodeJS.ProcessEnv) => ({
  PATH: process.env.PATH,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
  DROVER_DATA_DIR: "/nowhere/of/drover",
  ...more,
});
const ofServer = () => ({ DROVER_BASE_URL: serve.url, DROVER_API_KEY: testKey });

/** `drover run` with these arguments, for the server of the tests unless it is told otherwise. */
const drover = (args: string[], env: NodeJS.ProcessEnv = ofServer()): Run =>
  watch(
    spawn(process.execPath, [main, "run", ...args], {
      env: settings(env),
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );

/** The same on a terminal of its own, of which only the standard output is shown. */
const droverOnTerminal = (task: string, env: NodeJS.ProcessEnv = {}): Run =>
  watch(
    spawn("script", ["-qec", 'exec "$NODE" "$MAIN" run "$TASK" 2>/dev/null', "/dev/null"], {
      env: settings({ ...ofServer(), NODE: process.execPath, MAIN: main, TASK: task, ...env }),
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );

/** Without what differs from run to run. */
const drawn = (lines: string[]) =>
  lines.map((line) =>
    line
      .replace(/sesn_\w+/, "sesn_...")
      .replace(/\d+ tokens in, \d+ out/, "tokens")
      .replace(/\d+\.\d\d s/, "n s"),
  );

const sessionIn = (text: string) => /sesn_\w+/.exec(text)?.[0] ?? "";

const controlCharacters = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

test("a task is drawn as a tree, and exits 0", async () => {
  const { code, out, err } = await drover(["bash echo hello | tee kept\nthen\nthink so\nsay done"]).ended;
  assert.deepEqual(drawn(out), [
    "session sesn_...",
    "┌─ turn running",
    "├─ user bash echo hello | tee kept",
    "│    then",
    "│    think so",
    "│    say done",
    "├─ bash echo hello | tee kept",
    "│   model request: tokens n s",
    "│   result n s hello",
    "├─ thinking",
    "├─ agent done",
    "│   model request: tokens n s",
    "└─ idle end_turn",
  ]);
  assert.deepEqual(err, []);
  assert.equal(code, 0);
});

longTest("an environment that is set up shows in the tree", async () => {
  const { environment_id } = await prepareWithSetup(serve.client, talksUntilReleased);
  const run = drover(["--environment", environment_id, "bash echo hello\nthen\nsay done"]);
  await run.line(/setup still here/);
  processes.workspace(sessionIn(await run.line(/^session/))).release();
  const { code, out } = await run.ended;
  const shown = drawn(out).filter((line) => /set|result/.test(line));
  assert.deepEqual(
    [...new Set(shown)],
    ["├─ setting up the environment", "│   setup still here", "│   set up n s", "│   result n s hello"],
  );
  assert.equal(code, 0);
});

test("a turn that does not come to its end exits 6", async () => {
  const { code, out } = await drover(["fail rejected 9"]).ended;
  assert.equal(out.at(-1), "└─ idle retries_exhausted");
  assert.equal(code, 6);
});

test("--json is an event on every line and nothing else", async () => {
  const { code, out, err } = await drover(["--json", "bash echo hello\nthen\nsay done"]).ended;
  const events = out.map((line) => JSON.parse(line) as StreamEvent);
  assert.equal(typesOf(events)[0], "user.message");
  assert.equal(typesOf(events).at(-1), "session.status_idle");
  assert.equal(typesOf(events).filter((type) => type === "agent.tool_result").length, 1);
  assert.equal(saidIn(events), "done");
  assert.deepEqual(err, []);
  assert.equal(code, 0);
});

test("--session goes on in the same session, and draws the new turn alone", async () => {
  const first = await drover(["bash echo of the first > kept"]).ended;
  const session = sessionIn(first.out[0] ?? "");
  // What the environment says of new agents does not stand against it.
  const second = await drover(["--session", session, "bash cat kept"], {
    ...ofServer(),
    DROVER_MODEL: "simulated",
  }).ended;
  assert.deepEqual(second.err, []);
  assert.equal(second.out[0], `session ${session}`);
  assert.deepEqual(drawn(second.out).slice(1, 6), [
    "┌─ turn running",
    "├─ user bash cat kept",
    "├─ bash cat kept",
    "│   model request: tokens n s",
    "│   result n s of the first",
  ]);
  assert.equal(second.code, 0);
});

longTest("colours are for terminals without NO_COLOR, and change nothing else", async () => {
  const task = "bash echo hello\nthen\nsay done";
  const plain = await drover([task]).ended;
  const colourless = await droverOnTerminal(task, { NO_COLOR: "1" }).ended;
  const coloured = await droverOnTerminal(task).ended;
  for (const { code, out } of [plain, colourless]) {
    assert.doesNotMatch(out.join("\n"), controlCharacters);
    assert.equal(code, 0);
  }
  assert.match(coloured.out.join("\n"), /\u001b\[\d+m/);
  const uncoloured = coloured.out.map((line) => line.replaceAll(/\u001b\[\d+m/g, ""));
  assert.deepEqual(drawn(uncoloured), drawn(plain.out));
  assert.deepEqual(drawn(colourless.out), drawn(plain.out));
});

longTest("no output of a tool and no name of one can move the cursor", async () => {
  const output = "printf '\\033[2J\\033]0;title\\007\\r\\b\\302\\2332J\\177'";
  const task = `bash ${output}\ncall \u001b[2Jtool {"path":"\u009b2J"}\nthen\nsay \u001b[1A`;
  for (const { out } of [await drover([task]).ended, await droverOnTerminal(task, { NO_COLOR: "1" }).ended]) {
    assert.doesNotMatch(out.join("\n"), controlCharacters);
    assert.ok(drawn(out).includes("│   result n s ␛[2J␛]0;title␇␍␈␛2J␡"), out.join("\n"));
    assert.ok(out.includes("├─ ␛[2Jtool ␛2J"), out.join("\n"));
  }
  const json = await drover(["--json", task]).ended;
  assert.doesNotMatch(json.out.join("\n"), controlCharacters);
  assert.ok(json.out.some((line) => JSON.stringify(JSON.parse(line)).includes("\u009b2J\u007f")));
});

longTest("serve is killed with -9 and started again: the run finishes and exits 0", async () => {
  const run = drover([`bash ${heldCommand}\nthen\nsay done`]);
  const workspace = processes.workspace(sessionIn(await run.line(/^session/)));
  await workspace.written("runs");
  await serve.kill();
  await run.line(/^the connection broke; trying again$/);
  serve = await processes.serve(port);
  workspace.release();
  const { code, out, err } = await run.ended;
  assert.deepEqual(drawn(out).slice(-6), [
    `├─ bash ${heldCommand}`,
    "│   model request: tokens n s",
    "│   result n s 1",
    "├─ agent done",
    "│   model request: tokens n s",
    "└─ idle end_turn",
  ]);
  assert.deepEqual(err, ["the connection broke; trying again"]);
  assert.equal(code, 0);
});

test("a turn that ended while the connection was broken is drawn to its end", async () => {
  const run = drover([`bash ${heldCommand}\nthen\nsay done`]);
  const session = sessionIn(await run.line(/^session/));
  const workspace = processes.workspace(session);
  await workspace.written("runs");
  await serve.kill();
  await run.line(/^the connection broke; trying again$/);
  const elsewhere = await processes.serve(await freePort());
  const following = await follow(elsewhere.client, session);
  workspace.release();
  await following.until(isIdle);
  following.close();
  serve = await processes.serve(port);
  const { code, out } = await run.ended;
  assert.equal(out.at(-1), "└─ idle end_turn");
  assert.equal(code, 0);
  await elsewhere.kill();
});

longTest("a server that does not come back is named as what is missing", async () => {
  const { id } = await newSession(serve.client, await prepare(serve.client));
  const lost = playTurn(connect(serve.url, testKey), id, `bash ${heldCommand}`, () => {}, { patience_ms: 0 });
  lost.catch(() => {});
  await processes.workspace(id).written("runs");
  await serve.kill();
  await assert.rejects(lost, { name: "APIConnectionError" });
  serve = await processes.serve(port);
});

test("Ctrl-C interrupts the agent, and the run ends with its turn", async () => {
  const run = drover([`bash ${heldCommand}`]);
  const session = sessionIn(await run.line(/^session/));
  await processes.workspace(session).written("runs");
  run.process.kill("SIGINT");
  const { out, err } = await run.ended;
  assert.deepEqual(err, ["interrupting the agent; press Ctrl-C again to leave it as it is"]);
  assert.deepEqual(drawn(out).slice(-2), ["├─ interrupt", "└─ idle end_turn"]);
  assert.equal((await serve.client.beta.sessions.retrieve(session)).status, "idle");
});

longTest("a second Ctrl-C leaves at once, whatever the server does", async () => {
  const run = drover([`bash ${heldCommand}`]);
  await processes.workspace(sessionIn(await run.line(/^session/))).written("runs");
  serve.freeze();
  run.process.kill("SIGINT");
  await run.line(/^interrupting the agent/);
  run.process.kill("SIGINT");
  const { code } = await run.ended;
  serve.thaw();
  assert.equal(code, 130);
});

test("what stands in the way is one line, and not an exit with 0", async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const refusals: [string[], NodeJS.ProcessEnv, string, number][] = [
    [["hi"], { DROVER_API_KEY: "not-the-key" }, `The server at ${serve.url} refuses the API key.`, 4],
    [["hi"], { DROVER_BASE_URL: nowhere }, `No server answers at ${nowhere}. Start one with: npm start`, 5],
    [
      ["hi"],
      { DROVER_API_KEY: "" },
      `No API key for ${serve.url}: set DROVER_API_KEY, or keep it with drover profiles set. \`drover up\` prints it.`,
      2,
    ],
    [["--session", "sesn_unknown", "hi"], {}, "session sesn_unknown not found", 3],
    [["--agent", "agent_unknown", "hi"], {}, "agent agent_unknown not found", 3],
    [["--agent", "nobody", "hi"], {}, 'there is no agent "nobody": drover agents ls shows them', 3],
    [["--file", "/nowhere/of/drover", "hi"], {}, "/nowhere/of/drover is not a file", 2],
    [
      ["--base-url", "nonsense", "hi"],
      {},
      "error: option '--base-url <url>' argument 'nonsense' is invalid. It must be an http or https URL.",
      2,
    ],
    ...["--agent <agent>", "--environment <environment>", "--model <id>", "--vault <vault>"].map(
      (option): [string[], NodeJS.ProcessEnv, string, number] => [
        ["hi", "--session", "sesn_1", option.split(" ")[0] ?? "", "x"],
        {},
        `error: option '--session <id>' cannot be used with option '${option}'`,
        2,
      ],
    ),
    ...["--model <id>", "--system <text>"].map((option): [string[], NodeJS.ProcessEnv, string, number] => [
      ["--agent", "agent_1", option.split(" ")[0] ?? "", "x", "hi"],
      {},
      `error: option '--agent <agent>' cannot be used with option '${option}'`,
      2,
    ]),
  ];
  for (const [args, env, problem, exit] of refusals) {
    const { code, err } = await drover(args, { ...ofServer(), ...env }).ended;
    assert.deepEqual(err, [problem]);
    assert.equal(code, exit, problem);
  }
});

longTest("a setting that is wrong is named, with what is wrong about it", async () => {
  const wrong: [NodeJS.ProcessEnv, string][] = [
    [{ DROVER_LGO: "x" }, "DROVER_LGO: is not a setting; did you mean DROVER_LOG?"],
    [{ DROVER_PORT: "99999" }, "DROVER_PORT: must be a port from 1 to 65535"],
    [
      { DROVER_BASE_URL: serve.url, DROVER_LGO: "x" },
      "DROVER_LGO: is not a setting; did you mean DROVER_LOG?",
    ],
  ];
  for (const [env, problem] of wrong) {
    const { code, err } = await drover(["hi"], env).ended;
    assert.deepEqual(err, ["The settings are not valid:", `  ${problem}`]);
    assert.equal(code, 2);
  }
});
