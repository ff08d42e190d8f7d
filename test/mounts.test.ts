import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { makeAuthority, makeCertificate } from "../src/cli/certificates.ts";
import { anyChange, connectHost, type HostConnection, StaleEpoch, Undecided } from "../src/hands/client.ts";
import type { HostAddress } from "../src/hands/connection.ts";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { type HandsHost, startHands } from "../src/hands/host.ts";
import { fleetOf, noted, shaOf, type TestSource, testSource } from "../src/hands/mounts/testing-mounts.ts";
import { connectHands } from "../src/hands/one-host.ts";
import { type TestFolder, testFolder } from "../src/hands/testing.ts";
import { exec, finished, never, request, shell, textOf } from "../src/hands/testing-host.ts";

const uploads = "/mnt/session/uploads";
const leaseOf = (name: string) => ({ session_id: `sesn_${name}`, owner: 1, epoch: 1, placement: null });

async function connected(address: HostAddress): Promise<HostConnection> {
  const host = connectHost(address);
  while (!host.isUp()) await anyChange([host], 20);
  return host;
}

/** Resolves when something holds, which is looked at now and then. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(2);
}

describe("what a session mounts", () => {
  let folder: TestFolder;
  let host: HandsHost;
  let network: HostAddress;
  const local = (): HostAddress => ({ socket_path: join(folder.path, "hands.sock") });
  const blob = (data: Buffer | string) => join(folder.path, "blobs", shaOf(data));

  before(async () => {
    folder = testFolder();
    const valid = { from: new Date(Date.now() - 3_600_000), to: new Date(Date.now() + 3_600_000) };
    const ca = await makeAuthority(valid);
    const of = async (role: "serve" | "hands", addresses: string[]) => ({
      ca: ca.cert,
      ...(await makeCertificate(ca, { role, name: "test", addresses, ...valid })),
    });
    host = await startHands({
      ...{ socket_path: join(folder.path, "hands.sock"), data_dir: folder.path },
      driver: bubblewrap({ data_dir: folder.path }),
      network: { host: "127.0.0.1", port: 0, identity: await of("hands", ["127.0.0.1"]) },
    });
    network = { host: "127.0.0.1", port: host.port ?? 0, identity: await of("serve", []) };
  });
  after(async () => {
    await host.close();
    folder.remove();
  });

  async function rig(t: { after(work: () => void): void }, address = local()) {
    const source = testSource();
    const connection = noted(await connected(address));
    const troubles: unknown[] = [];
    const fleet = fleetOf(connection, source, troubles);
    t.after(() => {
      fleet.close();
      connection.close();
    });
    const run = (
      name: string,
      command: string,
      more: { mounts?: number; epoch?: number } = {},
      signal = never,
    ) =>
      fleet
        .handsOf(leaseOf(name))
        .execute(request(name, shell(command), { mounts: source.version(), ...more }), signal);
    return { source, connection, troubles, fleet, run };
  }

  for (const [way, address] of [
    ["a unix socket", () => local()],
    ["mutual TLS", () => network],
  ] as const)
    test(`is there for the call that asks for it, over ${way}`, async (t) => {
      const { source, connection, run } = await rig(t, address());
      const name = way.replace(/\W/g, "");
      const data = randomBytes(2_500_000);
      source.change({
        [`${uploads}/data/${name}.bin`]: data,
        [`${uploads}/small`]: `small ${name}`,
        "/mnt/skills/greet/hello*": `#!/bin/sh\necho hello from ${name}\n`,
      });
      const look = `sha256sum < ${uploads}/data/${name}.bin; cat ${uploads}/small; echo; /mnt/skills/greet/hello`;
      assert.equal(textOf(await run(name, look)), `${shaOf(data)}  -\nsmall ${name}\nhello from ${name}\n`);
      const puts = connection.asked.filter((type) => type === "put_blob").length;
      assert.equal(puts, 3 + 1 + 1, "in pieces");
      connection.asked.length = 0;
      assert.equal(textOf(await run(name, "echo again")), "again\n");
      assert.deepEqual(connection.asked, ["execute"]);
    });

  test("costs nothing where there is none", async (t) => {
    const { source, connection, run, fleet } = await rig(t);
    assert.equal(textOf(await run("none", `ls -A ${uploads} /mnt/skills | grep -v :`)), "\n");
    const hands = fleet.handsOf(leaseOf("none"));
    await hands.setUp(request("none", exec("true")), () => {}, never);
    await hands.provision(request("none", exec("true")));
    assert.deepEqual(connection.asked, ["execute", "set_up", "provision"]);
    assert.equal(source.listed(), 0);
  });

  test("changes under a shell that runs, at once and for a program that has a file open not at all", async (t) => {
    const { source, run } = await rig(t);
    source.change({ [`${uploads}/a`]: "first\n", [`${uploads}/old/b`]: "old\n" });
    const begin = `cd ${uploads}; exec 9<a; kept=yes; cat a old/b`;
    assert.equal(textOf(await run("change", begin)), "first\nold\n");
    source.change({ [`${uploads}/a`]: "second\n", [`${uploads}/c`]: "new\n" });
    const result = finished(await run("change", 'echo "$kept"; cat a c <&9; cat <&9; ls'));
    assert.equal(textOf(result), "yes\nsecond\nnew\nfirst\na\nc\n");
    assert.equal(result.fresh_shell, false);
  });

  test("is there before the environment is set up, and when a sandbox is begun ahead", async (t) => {
    const { source, fleet, run } = await rig(t);
    source.change({ [`${uploads}/requirements.txt`]: "left-pad\n" });
    const plain = request("early", exec("true"), { mounts: 1 });
    const asked = {
      ...plain,
      spec: { ...plain.spec, setup: [`cp ${uploads}/requirements.txt /workspace/`] },
    };
    await fleet.handsOf(leaseOf("early")).provision(asked);
    const result = await fleet.handsOf(leaseOf("early")).setUp(asked, () => {}, never);
    assert.deepEqual(result, { status: "ready" });
    assert.equal(textOf(await run("early", "cat requirements.txt")), "left-pad\n");
  });

  test("is brought once for calls that come at once", async (t) => {
    const { source, run } = await rig(t);
    source.change({ [`${uploads}/a`]: randomBytes(3_000_000) });
    const results = await Promise.all(Array.from({ length: 5 }, () => run("once", `wc -c < ${uploads}/a`)));
    assert.deepEqual(
      results.map(textOf),
      Array.from({ length: 5 }, () => "3000000\n"),
    );
    assert.equal(source.opened.length, 1);
  });

  test("is newer than the call has asked for, where it has changed meanwhile", async (t) => {
    const { source, run } = await rig(t);
    source.change({ [`${uploads}/a`]: "1" });
    source.change({ [`${uploads}/a`]: "2" });
    assert.equal(textOf(await run("newer", `cat ${uploads}/a`, { mounts: 1 })), "2");
    const before = source.listed();
    assert.equal(textOf(await run("newer", `cat ${uploads}/a`, { mounts: 2 })), "2");
    assert.equal(source.listed(), before);
  });

  test("is not what the database does not have: then nothing is decided", async (t) => {
    const { source, run } = await rig(t);
    source.change({});
    await assert.rejects(run("ahead", "true", { mounts: 2 }), Undecided);
    source.listMounts = () => Promise.reject(new Error("no database"));
    await assert.rejects(run("ahead", "true"), Undecided);
  });

  test("is for the brain that has the session", async (t) => {
    const { source, run } = await rig(t);
    assert.equal(textOf(await run("stale", "echo ok", { mounts: 0, epoch: 2 })), "ok\n");
    source.change({ [`${uploads}/a`]: "1" });
    await assert.rejects(run("stale", "true", { epoch: 1 }), StaleEpoch);
    assert.equal(source.listed(), 0);
  });

  test("that cannot be read makes the sandbox unavailable, and nothing is run", async (t) => {
    const { source, run, troubles } = await rig(t);
    source.change({ [`${uploads}/a.csv`]: randomBytes(2_000_000) });
    const failing = [
      () => Promise.reject(new Error("bucket is away")),
      () =>
        Readable.from(
          (async function* () {
            yield randomBytes(1_000);
            throw new Error("bucket is away");
          })(),
        ),
      (content: Buffer) => Readable.from([content.subarray(0, 1_500_000)]),
    ];
    for (const open of failing) {
      source.open = open;
      assert.deepEqual(await run("away", "touch ran"), {
        status: "unavailable",
        reason: `${uploads}/a.csv could not be read from the server's file store; try again later`,
      });
    }
    assert.equal(troubles.length, 2 * failing.length);
    source.open = null;
    assert.equal(textOf(await run("away", `ls; wc -c < ${uploads}/a.csv`)), "2000000\n");
    assert.ok((source.opened.at(-1)?.start ?? 0) >= 1_000_000, "it goes on where it was");
  });

  test("that is not what its hash says is mounted nowhere", async (t) => {
    const { source, run } = await rig(t);
    const data = randomBytes(1_500_000);
    source.change({ [`${uploads}/a`]: data });
    source.open = (content) => Readable.from([Buffer.alloc(content.length)]);
    const result = await run("wrong", "touch ran");
    assert.equal(result.status, "unavailable");
    assert.match("reason" in result ? result.reason : "", /\/a could not be brought to the sandbox/);
    assert.ok(!existsSync(blob(data)));
    source.open = null;
    assert.equal(textOf(await run("wrong", `ls; sha256sum < ${uploads}/a`)), `${shaOf(data)}  -\n`);
  });

  test("is there though its host had died when all of it had come, or what had come was damaged", async (t) => {
    const { source, run } = await rig(t);
    const whole = randomBytes(1_500_000);
    const damaged = randomBytes(1_500_000);
    source.change({ [`${uploads}/whole`]: whole, [`${uploads}/damaged`]: damaged });
    const partOf = (data: Buffer) => join(folder.path, "blobs", "parts", shaOf(data));
    writeFileSync(partOf(whole), whole);
    writeFileSync(partOf(damaged), Buffer.alloc(damaged.length));
    const said = textOf(await run("parts", `sha256sum < ${uploads}/whole; sha256sum < ${uploads}/damaged`));
    assert.equal(said, `${shaOf(whole)}  -\n${shaOf(damaged)}  -\n`);
    assert.deepEqual(source.opened, [{ sha256: shaOf(damaged), start: 0 }]);
  });

  test("stops coming when nobody waits for it any more", async (t) => {
    const { source, run } = await rig(t);
    source.change({ [`${uploads}/a`]: randomBytes(5_000_000) });
    const stop = new AbortController();
    let closed = false;
    source.open = (content) => {
      const stalls = new Readable({
        read() {},
        destroy(error, done) {
          closed = true;
          done(error);
        },
      });
      stalls.push(content.subarray(0, 2_000_000));
      return stalls;
    };
    const running = run("stopped", "touch ran", {}, stop.signal);
    await until(() => source.opened.length > 0);
    stop.abort();
    const result = await running;
    assert.deepEqual(result, {
      status: "unavailable",
      reason: "it was interrupted while what the session mounts was brought to the sandbox",
    });
    assert.ok(closed);
    source.open = null;
    assert.equal(textOf(await run("stopped", `ls; wc -c < ${uploads}/a`)), "5000000\n");
  });

  test("leaves the connection to the others while it comes", async (t) => {
    const { source, connection, run } = await rig(t);
    assert.equal(textOf(await run("other", "echo there", { mounts: 0 })), "there\n");
    source.change({ [`${uploads}/a`]: randomBytes(8_000_000) });
    const gate = Promise.withResolvers<void>();
    source.open = (content) =>
      Readable.from(
        (async function* () {
          yield content.subarray(0, 3_000_000);
          await gate.promise;
          yield content.subarray(3_000_000);
        })(),
      );
    const running = run("comes", `wc -c < ${uploads}/a`);
    await until(() => connection.asked.filter((type) => type === "put_blob").length === 2);
    assert.equal(textOf(await run("other", "echo meanwhile", { mounts: 0 })), "meanwhile\n");
    gate.resolve();
    assert.equal(textOf(await running), "8000000\n");
  });

  test("goes with the sandbox, and comes again with the next one", async (t) => {
    const { source, connection, run } = await rig(t);
    source.change({ [`${uploads}/a`]: "here\n" });
    assert.equal(textOf(await run("gone", `cat ${uploads}/a`)), "here\n");
    const scope = { session_id: "sesn_gone", sandbox_id: "sbx_gone", epoch: 1 };
    await connection.ask({ type: "destroy", ...scope, keep_workspace: true, keep_checkpoints: true }, "ok");
    connection.asked.length = 0;
    assert.equal(textOf(await run("gone", `cat ${uploads}/a`)), "here\n");
    assert.deepEqual(connection.asked, ["execute"], "with its workspace they stay");
    await connection.ask({ type: "destroy", ...scope, keep_workspace: false, keep_checkpoints: true }, "ok");
    assert.ok(!existsSync(join(folder.path, "mounts", "sbx_gone")));
    assert.equal(textOf(await run("gone", `cat ${uploads}/a`)), "here\n");
  });

  test("is no part of what the sandbox's own folders hold", async (t) => {
    const { source, run } = await rig(t);
    source.change({ [`${uploads}/a`]: "here\n" });
    await run("apart", "true");
    const own = readdirSync(join(folder.path, "sandboxes", "sbx_apart"));
    assert.ok(!own.includes("mounts") && own.includes("workspace"));
  });

  test("is not brought for ever to a host that says each time that it lacks it", async (t) => {
    const liar = createServer((socket) => {
      createInterface({ input: socket }).on("line", (line) => {
        const { n, type } = JSON.parse(line);
        const facts = { host_id: "host_liar", instance_id: "1", driver: "none", sandboxes_max: 1 };
        const counts = { sandboxes: 0, sandboxes_in_use: 0, checkpoints_failing: false };
        const answer =
          type === "hello"
            ? { type, n, ...facts, ...counts }
            : type === "mount"
              ? { type: "mounted", n, missing: [] }
              : { type: "needs_mounts", n };
        socket.write(`${JSON.stringify(answer)}\n`);
      });
    });
    const address = { socket_path: join(folder.path, "liar.sock") };
    await once(liar.listen(address.socket_path), "listening");
    const { run, source, fleet } = await rig(t, address);
    const one = connectHands({ ...address, mounts: source });
    t.after(() => {
      one.close();
      liar.close();
    });
    source.change({ [`${uploads}/a`]: "1" });
    const asked = request("liar", shell("true"), { mounts: source.version() });
    const ends = [
      await run("liar", "true"),
      await one.execute(asked, never),
      await fleet.handsOf(leaseOf("liar")).setUp(asked, () => {}, never),
    ];
    for (const end of ends) assert.match("reason" in end ? end.reason : end.status, /keeps nothing of what/);
  });

  test("can be brought by those who have no database", async (t) => {
    const source = testSource();
    const hands = connectHands({ socket_path: join(folder.path, "hands.sock"), mounts: source });
    t.after(() => hands.close());
    source.change({ "/mnt/skills/a/SKILL.md": "# A\n" });
    const run = (command: string) =>
      hands.execute(request("worker", shell(command), { mounts: source.version() }), never);
    assert.equal(textOf(await run("cat /mnt/skills/a/SKILL.md")), "# A\n");
    source.change({ "/mnt/skills/a/SKILL.md": "# B\n" });
    source.open = () => Promise.reject(new Error("away"));
    assert.equal((await run("true")).status, "unavailable");
    source.open = null;
    assert.equal(textOf(await run("cat /mnt/skills/a/SKILL.md")), "# B\n");
  });
});

const skip = process.getuid?.() !== 0 && "needs root, to mount a small disk";

test("on a full disk it is not there, says so, and leaves room for what fits", { skip }, async (t) => {
  const folder = testFolder();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m,mode=711", "tmpfs", folder.path]);
  const socket_path = join(folder.path, "hands.sock");
  const host = await startHands({
    socket_path,
    data_dir: folder.path,
    driver: bubblewrap({ data_dir: folder.path }),
  });
  const source = testSource();
  const hands = connectHands({ socket_path, mounts: source });
  t.after(async () => {
    hands.close();
    await host.close();
    execFileSync("umount", [folder.path]);
    folder.remove();
  });
  const run = (command: string) =>
    hands.execute(request("full", shell(command), { mounts: source.version() }), never);
  const [large, fits] = [randomBytes(30_000_000), randomBytes(15_000_000)];
  source.change({ [`${uploads}/large`]: large });
  const result = await run("touch ran");
  assert.equal(result.status, "unavailable");
  assert.match(
    "reason" in result ? result.reason : "",
    /\/large could not be .*the disk of the sandbox host is full/,
  );
  assert.deepEqual(readdirSync(join(folder.path, "blobs", "parts")), []);
  source.change({ [`${uploads}/fits`]: fits });
  assert.equal(textOf(await run(`ls; sha256sum < ${uploads}/fits`)), `${shaOf(fits)}  -\n`);

  source.change({ [`${uploads}/fits*`]: fits });
  const copied = await run("true");
  assert.match(
    "reason" in copied ? copied.reason : "",
    /could not be mounted.*the disk of the sandbox host is full/,
  );
  source.change({ [`${uploads}/again`]: fits });
  assert.equal(textOf(await run(`ls ${uploads}`)), "again\n");
});

describe("a host that is killed", () => {
  const program = fileURLToPath(new URL("../src/hands/testing-hands.ts", import.meta.url));
  const folder = testFolder();
  const socket_path = join(folder.path, "hands.sock");
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    rmSync(socket_path, { force: true });
    child = spawn(process.execPath, [program, folder.path, socket_path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    assert.ok(child.stdout);
    await once(child.stdout, "data");
  }
  async function kill(): Promise<void> {
    const ended = child && once(child, "exit");
    child?.kill("SIGKILL");
    await ended;
  }
  before(start);
  after(async () => {
    await kill();
    folder.remove();
  });

  function run(source: TestSource, name: string, command: string) {
    const hands = connectHands({ socket_path, mounts: source });
    const result = hands.execute(request(name, shell(command), { mounts: source.version() }), never);
    return result.finally(() => hands.close());
  }

  test("in the middle of a content goes on where it was", async () => {
    const source = testSource();
    const data = randomBytes(6_000_000);
    source.change({ [`${uploads}/a`]: data });
    const gate = Promise.withResolvers<void>();
    source.open = (content) =>
      Readable.from(
        (async function* () {
          yield content.subarray(0, 4_000_000);
          await gate.promise;
          yield content.subarray(4_000_000);
        })(),
      );
    const running = run(source, "middle", `sha256sum < ${uploads}/a`);
    const part = join(folder.path, "blobs", "parts", shaOf(data));
    await until(() => statSync(part, { throwIfNoEntry: false })?.size === 3 << 20);
    source.open = null;
    await kill();
    gate.resolve();
    await start();
    assert.equal(textOf(await running), `${shaOf(data)}  -\n`);
    assert.deepEqual(
      source.opened.map(({ start }) => start),
      [0, 3 << 20],
    );
  });

  test("in the middle of mounting has all of it in the end, or none of it in force", async () => {
    const source = testSource();
    const mounted = join(folder.path, "mounts", "sbx_many");
    const files = (text: string) =>
      Object.fromEntries(
        Array.from({ length: 3_000 }, (_, n) => [`/mnt/skills/s/${n % 50}/${n}`, `${text} ${n % 7}`]),
      );
    assert.equal(textOf(await run(source, "many", "echo begun")), "begun\n");
    source.change(files("first"));
    const rounds: ReturnType<typeof run>[] = [];
    for (let round = 0; round < 3; round += 1) {
      rounds.push(run(source, "many", "cat /mnt/skills/s/*/* | grep -o first | wc -l"));
      await until(() => existsSync(join(mounted, "skills/s", String(5 + 10 * round))));
      await kill();
      assert.ok(
        existsSync(join(mounted, "skills/s")) && !existsSync(join(mounted, "version")),
        "it is half done",
      );
      await start();
    }
    for (const result of await Promise.all(rounds)) assert.equal(textOf(result), "3000\n");
  });
});
