import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { appears } from "../hands/testing-host.ts";
import { limits } from "../limits.ts";
import { textOf, toolBench } from "./testing.ts";

const { skip, says, fails, use, sh, restart, forget, workspace } = await toolBench();

describe("bash", { skip }, () => {
  test("keeps its directory and variables between calls", async () => {
    await says("bash", { command: "mkdir -p /workspace/d && cd /workspace/d && X=1" });
    assert.equal(await says("bash", { command: "pwd; echo $X" }), "/workspace/d\n1");
  });

  test("says the exit code, and that there was no output", async () => {
    assert.match(await fails("bash", { command: "echo oops >&2; (exit 3)" }), /oops\n\[Exit code 3\.\]/);
    assert.equal(await says("bash", { command: "true" }), "[No output.]");
  });

  test("restarts on request", async () => {
    await says("bash", { command: "Y=2" });
    assert.equal(await says("bash", { restart: true }), "The shell was restarted.");
    assert.equal(await says("bash", { command: "echo [$Y]" }), "[]");
  });

  test("ends a command at its time limit and says so", async () => {
    assert.match(
      await fails("bash", { command: "echo begun; sleep 100", timeout_ms: 300 }),
      /begun\n\[The command was ended after 0\.3 s/,
    );
    assert.equal(await says("bash", { command: "echo alive" }), "alive");
  });

  test("takes a time limit of 0 for none of its own", async () => {
    assert.equal(await says("bash", { command: "sleep 0.2; echo slept", timeout_ms: 0 }), "slept");
  });

  test("says that a command was interrupted", async () => {
    const interrupt = new AbortController();
    const command = "echo begun; touch /workspace/begun; sleep 1000";
    const asked = use("bash", { command }, interrupt.signal);
    await appears(join(workspace, "begun"));
    interrupt.abort();
    const result = await asked;
    assert.equal(textOf(result), "begun\n[The command was interrupted before it completed.]");
    assert.equal(result.is_error, true);
  });

  test("says that a shell is a new one, if nobody asked for that", async () => {
    assert.match(await fails("bash", { command: "kill -9 $$" }), /\[Exit code 137\.\]$/);
    assert.match(await says("bash", { command: "echo here" }), /^here\n\[The shell was started anew/);
    assert.equal(await says("bash", { command: "echo here", restart: true }), "here");
  });

  test("shows head and tail of an output that is too long", async () => {
    const text = await says("bash", {
      command: "echo first; head -c 10000000 /dev/zero | tr '\\0' x; echo; echo last",
    });
    assert.ok(text.startsWith("first\n") && text.endsWith("last"));
    assert.ok(text.length < limits.tool_preview_chars + 400);
    const [, path = ""] = /the output has 10000012 bytes:.* All of it is in (\S+):/.exec(text) ?? [];
    assert.equal(await sh(`wc -c <${path}; head -n 1 ${path}; tail -n 1 ${path}`), "10000012\nfirst\nlast");
  });

  test("shows an output of 100,000 characters whole, and of one more its ends, however many bytes they are", async () => {
    const print = (count: number) =>
      `for i in $(seq ${count / 10 - 1}); do printf 'ääääääääää'; done; printf`;
    const whole = await says("bash", { command: `${print(100_000)} 'bbbbbbbbbb'` });
    assert.equal(whole.length, limits.tool_output_chars_max);
    const cut = await says("bash", { command: `${print(100_000)} 'bbbbbbbbbbc'` });
    assert.ok(cut.length < limits.tool_preview_chars + 400);
    assert.ok(cut.startsWith("ääää") && cut.endsWith("bbbbbbbbbbc"));
    const [, path = ""] = /All of it is in (\S+):/.exec(cut) ?? [];
    assert.equal(await sh(`wc -m <${path}`), "100001");
  });

  test("keeps what it could not show in a file that the sandbox can only read, until the workspace goes", async () => {
    const text = await says("bash", { command: "seq 100000" });
    const [, path = ""] = /All of it is in (\S+):/.exec(text) ?? [];
    for (const attack of [
      `echo x >${path}`,
      `rm -f ${path}`,
      `chmod 666 ${path}`,
      `ln -sfn /workspace ${path}`,
    ]) {
      assert.match(await fails("bash", { command: attack }), /Read-only file system/, attack);
    }
    const more = "mv /mnt/session/tool_results /mnt/session/elsewhere; rmdir /mnt/session/tool_results";
    assert.match(await fails("bash", { command: more }), /busy|Read-only/);
    await restart();
    assert.match(await says("read", { file_path: path, view_range: [50_000, 50_000] }), /\t50000$/);
    assert.equal(await says("grep", { pattern: "^7777$", path }), `${path}:7777:7777`);
    await forget();
    assert.match(await fails("read", { file_path: path }), /no such file/);
  });

  test("shows apart what background jobs write between two calls", async () => {
    const job = "until [ -e /tmp/go ]; do sleep 0.01; done; echo late; touch /tmp/gone";
    assert.match(await says("bash", { command: `(${job}) & echo begun` }), /begun$/);
    await says("write", { file_path: "/tmp/go", content: "" });
    await appearsInside("/tmp/gone");
    assert.equal(
      await says("bash", { command: "echo now" }),
      "[Background jobs wrote since the last command:]\nlate\n[This command:]\nnow",
    );
  });

  test("gives a program that asks for input its end", async () => {
    assert.match(
      await fails("bash", { command: "read -p 'sure? ' answer; echo \"[$answer]\"; (exit 4)" }),
      /\[\]\n\[Exit code 4\.\]/,
    );
    assert.match(await fails("bash", { command: "python3 -c 'input()'" }), /EOFError/);
  });

  test("refuses input that is not its own", async () => {
    assert.match(await fails("bash", { command: 5 }), /command/);
    assert.match(await fails("bash", {}), /Give a command/);
  });
});

async function appearsInside(path: string): Promise<void> {
  while ((await says("glob", { pattern: path })) !== path) {}
}
