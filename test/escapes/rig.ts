import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { startEgress } from "../../src/egress/egress.ts";
import type { ExecuteRequest } from "../../src/hands/client.ts";
import type { Driver } from "../../src/hands/driver.ts";
import { allowed, checked, refused } from "../../src/hands/drivers/system-calls.ts";
import { startHands } from "../../src/hands/host.ts";
import { testSource } from "../../src/hands/mounts/testing-mounts.ts";
import { connectHands, type OneHost } from "../../src/hands/one-host.ts";
import { type TestFolder, testFolder, testSpec } from "../../src/hands/testing.ts";
import { exec, never, request, shell, textOf } from "../../src/hands/testing-host.ts";
import { type ExecuteResult, mountRoots, type Operation, type SandboxSpec } from "../../src/hands/wire.ts";
import type { ToolResult } from "../../src/tools/tool.ts";
import { runTool } from "../../src/tools/toolset.ts";
import { type Attempt, isProbe, type Outcome, outcomeOf, type Probe } from "./attempt.ts";

/** A host with an egress process, two sandboxes that run, and what the one must not reach. */
export interface Rig {
  folder: TestFolder;
  driver: Driver;
  hands: OneHost;
  socket_path: string;
  /** Names that the egress process was asked for. */
  resolved: string[];
  workspace(name: string): string;
  /** In the sandbox of that name, which need not be there yet. */
  run(name: string, operation: Operation, more?: Partial<ExecuteRequest>): Promise<ExecuteResult>;
  /** What a script there says. */
  sh(name: string, script: string): Promise<string>;
  /** What a tool of the agent says there. */
  tool(name: string, tool: string, input: Record<string, unknown>): Promise<ToolResult>;
  end(name: string): Promise<void>;
  try(attempts: readonly Attempt[]): Promise<Outcome[]>;
  close(): Promise<void>;
}

export const attacker = "attacker";
export const victim = "victim";
/** What every sandbox has mounted. */
export const mountedFile = `${mountRoots.uploads}/deep/of-the-host`;
export const mountedProgram = `${mountRoots.skills}/s/run`;
export const mountedText = "of the host";
export const python = "/usr/bin/python3";
const program = readFileSync(new URL("./probe.py", import.meta.url), "utf8");
const secondsMax = 20;

/** Where names lead for the egress process; all others lead to a public address that nobody has. */
const names: Record<string, string[]> = {
  localhost: ["127.0.0.1"],
  "metadata.test": ["169.254.169.254"],
  "loopback.test": ["127.0.0.1"],
  "private.test": ["10.0.0.1"],
  "mixed.test": ["192.0.78.1", "169.254.169.254"],
};

/** What a sandbox's filter does not know. */
const unlisted = [
  { name: "clone3", x64: 435, arm64: 435 },
  { name: "memfd_secret", x64: 447, arm64: 447 },
  { name: "io_setup", x64: 206, arm64: 0 },
];
const numbers = Object.fromEntries(
  [...allowed, ...checked, ...refused, ...unlisted].map((call) => [
    call.name,
    process.arch === "arm64" ? call.arm64 : call.x64,
  ]),
);

export interface RigOptions {
  make(data_dir: string): Driver;
  spec?: SandboxSpec;
  /** Private addresses that the egress process leads to all the same. */
  opened?: string[];
}

export async function startRig({ make, spec = testSpec, opened = [] }: RigOptions): Promise<Rig> {
  const folder = testFolder();
  const socket_path = join(folder.path, "hands.sock");
  const secret = join(folder.path, "secret");
  writeFileSync(secret, "a secret of the host", { mode: 0o644 });
  const driver = make(folder.path);
  const resolved: string[] = [];
  const egress_socket = join(folder.path, "egress.sock");
  const egress = await startEgress({
    socket_path: egress_socket,
    allow_private_hosts: opened,
    package_hosts: [],
    async resolve(name) {
      resolved.push(name);
      return names[name] ?? [];
    },
  });
  const servers: Server[] = [];
  const listen = async (at: { port: number; host: string } | { path: string }) => {
    // Those that connect may leave before they are answered.
    const server = createServer((socket) => socket.on("error", () => {}).end("reached"));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(at, resolve));
    return server.address() as AddressInfo;
  };
  const { port } = await listen({ port: 0, host: "127.0.0.1" });
  const abstract = `drover-escapes-${process.pid}-${port}`;
  await listen({ path: `\0${abstract}` });
  const host = await startHands({ socket_path, egress_socket, data_dir: folder.path, driver });
  const source = testSource();
  source.change({ [mountedFile]: mountedText, [`${mountedProgram}*`]: "#!/bin/sh\n" });
  const mounts = source.version();
  const hands = connectHands({ socket_path, mounts: source });
  let toolCalls = 0;
  const networked: SandboxSpec = { ...spec, network: { type: "unrestricted" } };
  const facts = { secret, port, abstract, pid: process.pid, socket_path, egress_socket };

  const run: Rig["run"] = (name, operation, more = {}) =>
    hands.execute(
      request(name, operation, { spec: networked, mounts, output_bytes: 1 << 20, ...more }),
      never,
    );

  async function probe(name: string, probes: readonly Probe[]): Promise<string[]> {
    const programs = probes.map((each) => each.program);
    const input = JSON.stringify({ programs, host: facts, calls: numbers, seconds: secondsMax });
    const result = await run(name, {
      type: "exec",
      argv: [python, "-I", "-S", "-c", program],
      stdin_base64: Buffer.from(input).toString("base64"),
    });
    if (result.status === "lost") return probes.map(() => result.reason);
    assert.equal(result.status, "finished", JSON.stringify(result));
    const said = Buffer.from(result.output_base64, "base64").toString();
    if (said === "") return probes.map(() => `ended, ${result.exit_code}`);
    return JSON.parse(said);
  }

  async function end(name: string): Promise<void> {
    await hands.destroy({
      ...{ session_id: `sesn_${name}`, sandbox_id: `sbx_${name}`, epoch: 1 },
      ...{ keep_workspace: false, keep_checkpoints: false },
    });
  }

  const rig: Rig = {
    ...{ folder, driver, hands, socket_path, resolved, run, end },
    workspace: (name) => join(folder.path, "sandboxes", `sbx_${name}`, "workspace"),
    tool(name, tool, input) {
      const { session_id, sandbox_id, epoch } = request(name, exec("true"));
      return runTool(
        { id: `sevt_${toolCalls++}`, name: tool, input, started_seq: null },
        hands,
        { session_id, sandbox_id, epoch, spec: networked, restore: false, mounts, restore_known: null },
        never,
      );
    },
    sh: async (name, script) => textOf(await run(name, exec("bash", "-c", script))).trim(),
    async try(attempts) {
      const together = attempts.filter(isProbe).filter((each) => !each.alone);
      const said = new Map<Attempt, string>();
      const answers = await probe(attacker, together);
      for (const [n, attempt] of together.entries()) said.set(attempt, answers[n] ?? "broken: no answer");
      let count = 0;
      for (const attempt of attempts) {
        if (said.has(attempt)) continue;
        if (!isProbe(attempt)) {
          said.set(attempt, await attempt.attack(rig));
          continue;
        }
        const name = `alone${count++}`;
        const [answer = "broken: no answer"] = await probe(name, [attempt]);
        said.set(attempt, answer);
        await end(name);
      }
      return attempts.map((attempt) => outcomeOf(attempt, said.get(attempt) ?? "broken: it was not tried"));
    },
    async close() {
      hands.close();
      await host.close();
      await egress.close();
      for (const server of servers) server.close();
      rmSync(secret, { force: true });
      folder.remove();
    },
  };
  try {
    await run(attacker, shell("echo of-the-attacker >of-the-attacker"));
    const begun = textOf(await run(victim, shell(victimBegins)));
    assert.match(begun, /^ready/);
    return rig;
  } catch (error) {
    await rig.close();
    throw error;
  }
}

/** Of segments that nobody removes: the victim's, and the attacker's. */
export const sharedMemoryKeys = ["0x1d20ee", "0x1d20ef"] as const;

/** Something of each kind that another sandbox might reach. */
const victimBegins = `echo of-the-victim >of-the-victim; chmod -R 777 /workspace
echo of-the-victim >/tmp/of-the-victim; echo of-the-victim >/dev/shm/of-the-victim; chmod 777 /tmp/of* /dev/shm/of*
${python} -I -S -c '
import ctypes, os, socket, time
libc = ctypes.CDLL(None)
assert libc.shmget(${sharedMemoryKeys[0]}, 4096, 0o1666) >= 0
tcp = socket.create_server(("127.0.0.1", 47001))
unix = socket.socket(socket.AF_UNIX); unix.bind("\\0of-the-victim"); unix.listen()
print("ready", flush=True)
if os.fork() == 0: time.sleep(10_000)
'`;
