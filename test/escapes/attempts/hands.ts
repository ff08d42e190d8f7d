import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { exec, request, shell, textOf } from "../../../src/hands/testing-host.ts";
import { handsResponse } from "../../../src/hands/wire.ts";
import type { Attack, Group } from "../attempt.ts";
import { attacker, python, type Rig, victim } from "../rig.ts";

const short = { timeout_ms: 2_000 };

/** Whether another sandbox, and the host, go on as before. */
async function othersLive(rig: Rig): Promise<string> {
  return (await rig.sh(victim, "cat of-the-victim")) === "of-the-victim" ? "others live" : "others are gone";
}

/**
 * What the sandbox's first process answers its host by is a socket, which no other process can open. But its memory may be
 * that of a process of the same user's, and what it says is a text in it: this puts another one in its place.
 */
const rewriting = (from: string, to: string) => `
import re
places = [line.split()[0].split("-") for line in open("/proc/1/maps") if " rw-p " in line]
count = 0
try:
    with open("/proc/1/mem", "r+b", buffering=0) as memory:
        for start, end in ((int(a, 16), int(b, 16)) for a, b in places):
            memory.seek(start)
            for found in re.finditer(re.escape(${JSON.stringify(from)}).encode(), memory.read(end - start)):
                memory.seek(start + found.start())
                count += memory.write(${JSON.stringify(to.padEnd(from.length))}.encode())
    print("rewritten" if count else "not found")
except PermissionError:
    print("forbidden")
`;

const forging = (name: string, from: string, to: string): Attack => ({
  name: `${name}, from the first process`,
  async attack(rig) {
    await rig.run("forger", exec("true"));
    const said = textOf(await rig.run("forger", exec(python, "-I", "-c", rewriting(from, to)), short)).trim();
    const ended = await tell(rig.socket_path, [
      call("forger", short),
      call("forger", { ...short, operation: shell("true") }),
    ]);
    const others = await othersLive(rig);
    await rig.end("forger");
    return said === "not found"
      ? "broken: the text is not in its memory"
      : `${soundnessOf(ended)}, ${others}`;
  },
  holds: "sound, others live",
});

/** Says lines to the host, as one who may connect; its answers. */
function tell(socket_path: string, lines: (object | string)[]): Promise<string[]> {
  return new Promise((resolve) => {
    const socket = connect(socket_path);
    let text = "";
    const answers = () => text.split("\n").slice(0, -1);
    socket.on("error", () => {});
    socket.on("close", () => resolve(answers()));
    socket.on("data", (chunk) => {
      text += chunk;
      if (answers().length >= lines.length) socket.destroy();
    });
    for (const line of lines) socket.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`);
  });
}

/** Whether a brain can read them: it drops a host that says anything else, and with it the calls of all sessions. */
const soundnessOf = (answers: string[]): string =>
  answers.every((answer) => handsResponse.safeParse(JSON.parse(answer)).success)
    ? "sound"
    : answers.join(" ");

const call = (name: string, more: object) => ({
  type: "execute",
  n: 1,
  ...request(name, exec("true")),
  if_never_seen: "run",
  ...more,
});

const connecting = (path: string) => `
const socket = require("node:net").connect(${JSON.stringify(path)});
socket.on("connect", () => { console.log("connected"); process.exit(); });
socket.on("error", (error) => console.log(error.code));`;

export const handsSocket: Group = {
  name: "hands socket and pipes",
  attempts: [
    forging("an exit code that no process has", "exited $id $?", "exited $id .5"),
    forging("the end of another call", "exited $id $?", "exited 0 0"),
    forging("a frame that is none", "exited $id $?", "{} -1 NaN"),
    forging("beginnings without end", "started $id", "ready $id $$"),
    {
      name: "answers of the first process's, by whoever can open what it writes to",
      async attack(rig) {
        const lines = `printf 'exited 0 0\\nexited 1.5 NaN\\nstarted 7\\nready\\n'; head -c 100000 /dev/zero | tr '\\0' x`;
        await rig.run("forger", exec("true"));
        await rig.run(
          "forger",
          exec("bash", "-c", `for n in 1 2 9; do { ${lines}; } >/proc/1/fd/$n; done`),
          short,
        );
        const ended = await tell(rig.socket_path, [call("forger", short)]);
        return `${soundnessOf(ended)}, ${await othersLive(rig)}`;
      },
      holds: "sound, others live",
    },
    {
      name: "an exit code that no shell has, from the shell",
      async attack(rig) {
        const command = `for n in /run/drover/*.ctl; do printf 'ffffffff 1.5 1\\n\\n' 1<>$n; done; sleep 0.1
          eval "$(declare -f __drover_mark | sed 's/1*>&199//')"; __drover_mark ffffffff; sleep 0.2`;
        const answers = await tell(rig.socket_path, [call("forger", { operation: shell(command) })]);
        const again = await tell(rig.socket_path, [call("forger", { operation: shell("true") })]);
        return `${soundnessOf([...answers, ...again])}, ${await othersLive(rig)}`;
      },
      holds: "sound, others live",
    },
    {
      name: "reports of a shell that would fill the host's memory",
      async attack(rig) {
        const line = "x".repeat(1_000);
        const command = `for n in /run/drover/*.ctl; do timeout 2 yes ${line} | head -c 50000000 1<>$n; done`;
        const before = process.memoryUsage().rss;
        await rig.run("forger", { type: "shell", command }, { timeout_ms: 5_000 });
        const grown = (process.memoryUsage().rss - before) >> 20;
        return `${grown < 40 ? "little" : `${grown} MiB`}, ${await othersLive(rig)}`;
      },
      holds: "little, others live",
    },
    {
      name: "what the host says to the first process, and is answered",
      program: `
reader, writer = os.pipe()
assert reading(f"/proc/self/fd/{reader}") == "allowed"
said = all_of({fd: attempt(os.open, f"/proc/1/fd/{fd}", os.O_RDWR) for fd in ["0", "2", "9"]})`,
      holds: "ENXIO",
    },
    {
      name: "the sockets of hands and egress, as another user of the machine",
      needs: "root",
      async attack(rig) {
        const said = (path: string, user: object) =>
          execFileSync(process.execPath, ["-e", connecting(path)], { ...user, cwd: "/" })
            .toString()
            .trim();
        if (said(rig.socket_path, {}) !== "connected") return "broken: nobody is let in";
        const nobody = { uid: 65534, gid: 65534 };
        const egress = join(rig.folder.path, "egress.sock");
        return `${said(rig.socket_path, nobody)} ${said(egress, nobody)}`;
      },
      holds: "EACCES EACCES",
    },
    {
      name: "a brain that was left behind",
      async attack(rig) {
        await rig.run("fenced", exec("true"), { epoch: 5 });
        const late = call("fenced", { epoch: 4, call_id: "late", operation: exec("touch", "late") });
        const [answer = "{}"] = await tell(rig.socket_path, [late]);
        const there = await rig.run("fenced", exec("ls"), { epoch: 5 });
        return `${JSON.parse(answer).type} ${textOf(there)}`;
      },
      holds: "stale_epoch ",
    },
    {
      name: "names that lead out of the folder of sandboxes and of outputs",
      async attack(rig) {
        const lines = [
          call("x", { sandbox_id: "sbx_../../x" }),
          call("x", { session_id: "sesn_../x" }),
          call("x", { keep_output_as: "../x" }),
          call("x", { sandbox_id: "sbx_\0" }),
        ];
        const answers = await tell(rig.socket_path, lines);
        return answers.map((line) => JSON.parse(line).type).join(" ");
      },
      holds: "error error error error",
    },
    {
      name: "lines that are no requests",
      async attack(rig) {
        const lines = ["", "{", "null", "[]", '{"n":1e999}', '{"type":"execute"}', "\0".repeat(1_000)];
        const answers = await tell(rig.socket_path, lines);
        const kinds = new Set(answers.map((line) => JSON.parse(line).type));
        return `${[...kinds]} ${answers.length === lines.length}, ${await othersLive(rig)}`;
      },
      holds: "error true, others live",
    },
    {
      name: "the pipes of calls, read and written by another call",
      async attack(rig) {
        const script = `printf forged 1<>/run/drover/0.out; ls /run/drover | head -n 3; rm -f /run/drover/* 2>/dev/null; ls /run/drover | grep -c out`;
        const said = (await rig.sh(attacker, script)).split("\n");
        return `${Number(said.at(-1)) > 0 ? "they stay" : said}, ${await othersLive(rig)}`;
      },
      holds: "they stay, others live",
    },
  ],
};
