import { eventTree } from "../../../src/cli/client/tree.ts";
import { logLines } from "../../../src/cli/log-lines.ts";
import { exec } from "../../../src/hands/testing-host.ts";
import type { Operation } from "../../../src/hands/wire.ts";
import type { Attack, Group } from "../attempt.ts";
import { type Rig, victim } from "../rig.ts";

const shell = (command: string): Operation => ({ type: "shell", command });
const bash = (script: string): Operation => exec("bash", "-c", script);
const grownMibMax = 96;

/** What the result of a flood takes of its host, while another sandbox is used. */
const flood = (name: string, operation: Operation, timeout_ms = 20_000): Attack => ({
  name,
  async attack(rig: Rig) {
    await rig.run("flooder", shell("true"));
    const before = process.memoryUsage().rss;
    const flooding = rig.run("flooder", operation, { timeout_ms, output_bytes: 100_000 });
    const other = await rig.sh(victim, "echo alive");
    const result = await flooding;
    const after = await rig.sh("flooder", "echo alive");
    const grown = (process.memoryUsage().rss - before) >> 20;
    const chars = JSON.stringify(result).length;
    if (result.status !== "finished") return `broken: ${JSON.stringify(result)}`;
    return `${other} ${after} ${chars < 400_000 ? "short" : chars} ${grown < grownMibMax ? "little" : `${grown} MiB`}`;
  },
  holds: "alive alive short little",
});

export const floods: Group = {
  name: "output floods",
  attempts: [
    flood("a lot to stdout", bash("head -c 200000000 /dev/zero")),
    flood("a lot to stderr", bash("head -c 200000000 /dev/zero >&2")),
    flood("a lot to a shell", shell("head -c 200000000 /dev/zero")),
    flood("one line of it", shell("head -c 150000000 /dev/zero | tr '\\0' x")),
    flood("random bytes", shell("head -c 100000000 /dev/urandom")),
    flood("lines without end, until it is stopped", shell("yes"), 1_000),
    flood("marks as the shell makes them", shell("yes $'\\036drover:00000001\\036' | head -c 50000000")),
    flood("after the command's end", shell("(yes | head -c 150000000 &) ; true")),
    flood("processes that hold the output open", bash("for n in 1 2 3 4 5; do sleep 20 & done; echo begun")),
    flood(
      "the pipes of the host, left full",
      bash("head -c 1000000 /dev/zero >/dev/stderr & sleep 0.1; true"),
    ),
  ],
};

const hostile = "\u001b]0;title\u0007\u001b[2J\u001b[1;1Hfaked\r\u009b31m\u0090x\u009c\u0008\u007f";
/** What a terminal would obey, tabs and newlines aside. */
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

export const terminals: Group = {
  name: "terminal tricks",
  attempts: [
    {
      name: "typing into a terminal, pasting, line disciplines",
      program: `
import termios
master, slave = os.openpty()
termios.tcgetattr(slave)
TIOCSTI, TIOCLINUX, TIOCSETD = 0x5412, 0x541C, 0x5423
said = all_of({name: attempt(fcntl.ioctl, slave, number, b"x" + bytes(7)) for name, number in {"sti": TIOCSTI, "linux": TIOCLINUX, "setd": TIOCSETD}.items()})`,
      holds: "EPERM",
    },
    {
      name: "typing, with other bits above the number",
      program: `
master, slave = os.openpty()
assert call("ioctl", slave, 0x5401, bytes(64)) == "allowed"
said = call("ioctl", slave, (1 << 32) | 0x5412, b"x")`,
      holds: "EPERM",
    },
    {
      name: "a controlling terminal of the host's",
      program: `
said = f'{open("/proc/self/stat").read().rsplit(")", 1)[1].split()[4]} {reading("/dev/tty")}'`,
      holds: "0 ENXIO",
    },
    {
      name: "escape sequences in what tools say, in the terminal of `drover run`",
      async attack(rig) {
        const said = await rig.sh("writer", `printf '%s' ${JSON.stringify(hostile)} >n; cat n`);
        if (!obeyed.test(said)) return "broken: they did not come through";
        let shown = "";
        const tree = eventTree({ write: (text: string) => (shown += text), columns: 200 });
        const block = { type: "text" as const, text: said };
        tree.show({
          ...{ type: "agent.message", id: "sevt_1", processed_at: "2026-01-01T00:00:00Z" },
          content: [block],
        });
        return obeyed.test(shown) ? "obeyed" : shown.includes("faked") ? "shown" : "broken: not shown";
      },
      holds: "shown",
    },
    {
      name: "escape sequences in what the server logs, in the terminal of `drover up`",
      async attack() {
        let shown = "";
        const write = (text: string) => (shown += text);
        const log = logLines({ write, isTTY: true });
        const line = { level: 30, time: 0, msg: hostile, path: hostile, err: { message: hostile } };
        process.env.NO_COLOR = "1";
        log("hands", JSON.stringify(line));
        log("hands", hostile);
        delete process.env.NO_COLOR;
        return obeyed.test(shown)
          ? `obeyed`
          : shown.split("faked").length > 4
            ? "shown"
            : "broken: not shown";
      },
      holds: "shown",
    },
    {
      name: "control characters in the names of files",
      async attack(rig) {
        const made = await rig.sh("writer", `touch $'a\\nb' $'\\e]0;title\\a' $'\\xff\\xfe' && ls | wc -l`);
        if (Number(made) < 3) return `broken: ${made}`;
        const { content } = await rig.tool("writer", "glob", { pattern: "*" });
        const json = JSON.stringify(content);
        return json.isWellFormed() && !obeyed.test(json) ? "escaped by JSON" : json;
      },
      holds: "escaped by JSON",
    },
  ],
};
