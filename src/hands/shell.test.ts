import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Sandbox } from "./driver.ts";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { type RunResult, type Shell, startShell } from "./shell.ts";
import { sh, type TestFolder, testFolder, testSpec } from "./testing.ts";

type Finished = Extract<RunResult, { status: "finished" }>;

describe("the shell", () => {
  let folder: TestFolder;
  let sandbox: Sandbox;
  let shell: Shell;

  before(async () => {
    folder = testFolder();
    sandbox = await bubblewrap({ data_dir: folder.path }).provision("sbx_shell", testSpec);
  });
  after(async () => {
    await sandbox.destroy();
    folder.remove();
  });
  beforeEach(async () => {
    await shell?.end();
    shell = await startShell(sandbox);
  });

  async function finish(
    command: string,
    options: { timeout_ms?: number; output_bytes?: number; signal?: AbortSignal } = {},
  ): Promise<Finished> {
    const { timeout_ms = 30_000, output_bytes = 10_000, signal = new AbortController().signal } = options;
    const result = await shell.run(command, { timeout_ms, output_bytes, keep_output_as: null, signal });
    assert.equal(result.status, "finished");
    return result as Finished;
  }
  const output = async (command: string) => (await finish(command)).output.toString();

  test("keeps cwd, variables, functions, descriptors and the last exit code", async () => {
    await finish(
      "mkdir -p sub; cd sub; X=1; export Y=2; f() { echo f; }; exec 3>/tmp/three; set -o pipefail",
    );
    assert.equal(await output("pwd; echo $X$Y; f; echo x >&3; cat /tmp/three"), "/workspace/sub\n12\nf\nx\n");
    assert.equal((await finish("false | true")).exit_code, 1);
    assert.equal(await output("echo $?"), "1\n");
  });

  test("keeps the order of stdout and stderr", async () => {
    assert.equal(await output("for i in 1 2 3; do echo o$i; echo e$i >&2; done"), "o1\ne1\no2\ne2\no3\ne3\n");
  });

  test("has an output again after a command that sent its own elsewhere, or closed it", async () => {
    for (const away of ["exec >/tmp/away 2>&1", "exec 1>&- 2>&- 0<&-", "exec 198>&- 199>&-"]) {
      await finish(`${away}; echo hidden`);
      assert.equal(
        await output("echo seen; echo too >&2; read line || echo empty"),
        "seen\ntoo\nempty\n",
        away,
      );
    }
  });

  test("gives commands an empty stdin", async () => {
    assert.equal(await output("read x; echo $?; cat; bash -c 'cat; echo end'"), "1\nend\n");
  });

  test("carries any bytes but NUL in commands, and any bytes in output", async () => {
    assert.equal(
      await output(`echo "it's" 'a "b"' $'\\t' \\\\ ! !! ü\n# comment`),
      `it's a "b" \t \\ ! !! ü\n`,
    );
    const { output: bytes } = await finish("printf 'a\\0b\\xff\\xed\\xa0\\x80\\x1e\\033[1m'");
    assert.deepEqual(bytes, Buffer.from("6100 62ff eda0 801e 1b5b 316d".replaceAll(" ", ""), "hex"));
  });

  test("survives syntax errors", async () => {
    for (const broken of [
      "echo 'open",
      'echo "open',
      "if true; then (",
      "echo )",
      "for x in; {",
      "${",
      "<<<",
    ]) {
      const { exit_code, output } = await finish(broken);
      assert.notEqual(exit_code, null);
      assert.match(output.toString(), /bash: /, broken);
    }
    assert.match(await output("cat <<END\nhere"), /here-document.*\nhere\n$/);
  });

  test("is not confused by options and prompts that commands set", async () => {
    await finish("set -x -f -u; PS1='(venv) '; PS2='> '; IFS=x");
    const { exit_code, output: trace } = await finish("echo $UNSET");
    assert.equal(exit_code, 1);
    assert.match(trace.toString(), /UNSET: unbound variable/);
    await finish("set +x +f +u");
    assert.equal(await output("echo clean"), "clean\n");
  });

  test("keeps only the ends of output beyond its limit", async () => {
    const command = "echo begin; head -c 200000000 /dev/zero; echo; echo end";
    const { output, omitted_bytes, exit_code } = await finish(command, { output_bytes: 1_000 });
    assert.equal(exit_code, 0);
    assert.equal(output.length, 1_000);
    assert.equal(omitted_bytes, 200_000_000 + "begin\n".length + "\nend\n".length - 1_000);
    assert.ok(output.toString().startsWith("begin\n\0") && output.toString().endsWith("\0\nend\n"));
  });

  test("does not wait for background jobs, whose output is told with the next command", async () => {
    assert.match(await output("sleep 1000 & echo started"), /started\n$/);
    assert.equal(await shell.hasJobs(), true);
    await finish("(until [ -e /tmp/go ]; do sleep 0.01; done; echo late; touch /tmp/gone) & true");
    await sh(sandbox, "touch /tmp/go; until [ -e /tmp/gone ]; do sleep 0.01; done");
    const { earlier, output: now } = await finish("echo now");
    assert.deepEqual([earlier.toString(), now.toString()], ["late\n", "now\n"]);
    await finish("kill %1; wait");
    // A process that has ended is there until it is reaped, which may be after whoever waited for it has heard.
    while (await shell.hasJobs());
  });

  const hung: Record<string, string> = {
    "a command": "sleep 1000; echo after",
    "a loop of the shell itself": "while :; do :; done",
    "a subshell": "(sleep 1000; echo inner); echo after",
    "a pipeline": "yes | cat >/dev/null",
    "a command that ignores signals": `bash -c "trap '' INT TERM; sleep 1000; sleep 1001"`,
    "a substitution": "x=$(sleep 1000); echo after",
  };
  for (const [what, command] of Object.entries(hung)) {
    test(`stops ${what} at its time limit and lives on`, async () => {
      await finish("KEPT=yes; sleep 5000 & echo");
      const result = await finish(`echo before; ${command}`, { timeout_ms: 150 });
      assert.deepEqual([result.timed_out, result.cancelled, result.exit_code], [true, false, null]);
      // On a busy machine a shell may go on with its list for a moment before the signal reaches it too.
      assert.match(result.output.toString(), /^before\n/);
      const alive = await output("echo alive");
      // One that has to be killed may, on a busy machine, take its shell with it, which then says nothing more.
      if (what === "a command that ignores signals") return assert.match(alive, /^(alive\n)?$/);
      assert.equal(alive, "alive\n");
      assert.equal(await output("echo $KEPT"), "yes\n");
      assert.match(await sh(sandbox, "pgrep -xa sleep"), /^\d+ sleep 5000$/);
    });
  }

  test("leaves a job running when waiting for it is stopped", async () => {
    const { timed_out } = await finish("sleep 6000 & wait", { timeout_ms: 100 });
    assert.equal(timed_out, true);
    assert.match(await sh(sandbox, "pgrep -xa sleep"), /^\d+ sleep 6000$/);
  });

  test("is given up when it cannot be interrupted, and its sandbox is not", async () => {
    const result = await finish("echo so far; trap '' INT; while :; do :; done", { timeout_ms: 100 });
    assert.deepEqual([result.timed_out, result.output.toString()], [true, "so far\n"]);
    assert.equal(await shell.exited, 137);
    assert.equal(await sh(sandbox, "echo alive"), "alive");
  });

  test("stops a command when it is cancelled, and keeps the output so far", async () => {
    const abort = new AbortController();
    const running = finish("echo so far; touch /tmp/running; sleep 1000", { signal: abort.signal });
    await sh(sandbox, "until [ -e /tmp/running ]; do sleep 0.01; done");
    abort.abort();
    const { cancelled, timed_out, exit_code, output } = await running;
    assert.deepEqual([cancelled, timed_out, exit_code, output.toString()], [true, false, null, "so far\n"]);
  });

  for (const [command, code] of [
    ["exit 3", 3],
    ["set -e; false", 1],
    ["exec sh -c 'exit 5'", 5],
    ["kill -9 $$", 137],
    ["sleep 1000 & exit 4", 4],
  ] as const) {
    test(`notices that it ended: ${command}`, async () => {
      const result = await finish(`echo out; ${command}`);
      assert.equal(result.exit_code, code);
      assert.match(result.output.toString(), /^out\n/);
      assert.equal(await shell.exited, code);
    });
  }

  test("survives a command that kills everything else", async () => {
    assert.equal(await output("kill -9 -1; echo alive"), "alive\n");
    assert.equal(await output("echo again"), "again\n");
    assert.match(await output("exit 3"), /exit/);
    assert.equal(await shell.exited, 137);
  });

  test("ends with all it started", async () => {
    await finish("sleep 1000 & (sleep 1001 &) ; nohup sleep 1002 >/dev/null 2>&1 & true");
    await shell.end();
    assert.equal(await sh(sandbox, "pgrep -x sleep"), "");
  });

  test("is lost with its sandbox", async () => {
    const driver = bubblewrap({ data_dir: folder.path });
    const other = await driver.provision("sbx_lost", testSpec);
    const doomed = await startShell(other);
    const signal = new AbortController().signal;
    const running = doomed.run("sleep 1000", {
      timeout_ms: 60_000,
      output_bytes: 10,
      keep_output_as: null,
      signal,
    });
    await other.destroy();
    assert.deepEqual(await running, { status: "lost" });
  });
});
