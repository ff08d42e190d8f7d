import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { toFile } from "@anthropic-ai/sdk";
import { lockDataDir } from "../src/cli/lock.ts";
import { thisMachine } from "../src/cli/machine.ts";
import { readConfig } from "../src/config.ts";
import { assertOneActor } from "./harness/actors.ts";
import { type DroverCommand, startCommand } from "./harness/command.ts";
import { freePort } from "./harness/free-port.ts";
import { openRawStream } from "./harness/raw-stream.ts";
import { clientOf } from "./harness/server.ts";
import {
  isOf,
  listed,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
  turn,
} from "./harness/session.ts";
import { heldCommand, workspaceOf } from "./harness/workspace.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-backup-"));
chmodSync(folder, 0o711);
const backup = join(folder, "backup");
const [first, second] = [join(folder, "first"), join(folder, "second")];
const env = (dataDir: string, port: number) => ({
  DROVER_DATA_DIR: dataDir,
  DROVER_PORT: String(port),
  DROVER_LOG: "warn",
  DROVER_HELLO: "0",
  DROVER_CONSOLE_BUILD: "0",
  DROVER_FILES_DOWNLOADABLE: "1",
});
const running = new Set<DroverCommand>();
after(async () => {
  await Promise.all([...running].map(stop));
  for (const name of readdirSync(folder)) {
    const { runtime_dir } = readConfig(
      { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR, DROVER_DATA_DIR: join(folder, name) },
      thisMachine(),
    );
    rmSync(runtime_dir, { recursive: true, force: true });
  }
  rmSync(folder, { recursive: true, force: true });
});

async function up(dataDir: string) {
  const port = await freePort();
  const command = startCommand(["up"], env(dataDir, port));
  running.add(command);
  await command.says(/ready http/);
  const key = readFileSync(join(dataDir, "api-key"), "utf8").trim();
  return {
    ...command,
    url: `http://127.0.0.1:${port}`,
    key,
    client: clientOf(`http://127.0.0.1:${port}`, key),
  };
}

async function stop(command: DroverCommand): Promise<void> {
  running.delete(command);
  command.child.kill("SIGTERM");
  await command.ended;
}

/** Runs to its end. */
async function drover(dataDir: string, ...args: string[]): Promise<{ code: number | null; said: string }> {
  const command = startCommand(args, env(dataDir, 1));
  const code = await command.ended;
  return { code, said: command.said() };
}

interface Before {
  key: string;
  held: string;
  asking: { id: string; call: string };
  busy: string[];
  file: string;
  cursor: string;
  /** What each busy session had in its list before the backup began. */
  acknowledged: Map<string, string[]>;
}
let was: Before;

const fileContent = Buffer.from(Array.from({ length: 70_000 }, (_, n) => n % 251));

before(async () => {
  const server = await up(first);
  const { client } = server;
  const facts = await prepare(client);
  const held = (await newSession(client, facts)).id;
  await send(client, held, message(`bash ${heldCommand}`));
  await workspaceOf(join(first, "hands"), held).written("runs");
  const asking = (await newSession(client, await prepare(client, "simulated", "always_ask"))).id;
  const asked = await turn(client, asking, "bash echo allowed\nthen\nsay over");
  const call = asked.find(isOf("agent.tool_use"));

  // They go on working while the backup is made.
  const busy: string[] = [];
  for (let i = 0; i < 8; i += 1) busy.push((await newSession(client, facts)).id);
  const work = (n: number) =>
    `bash echo line ${n} >> lines\nbash printf 'a\\377b' > $'odd\\377name'; ln -sf lines link\nthen\nsay turn ${n}`;
  for (const id of busy) await turn(client, id, work(0));
  const file = (await client.files.upload({ file: await toFile(fileContent, "kept.bin") })).id;
  const stream = await openRawStream(server.url, busy[0] ?? "", {
    after: "0",
    headers: { "x-api-key": server.key },
  });
  const frames = await stream.until(({ event }) => event === "session.status_idle");
  stream.close();
  const acknowledged = new Map<string, string[]>();
  for (const id of busy)
    acknowledged.set(
      id,
      (await listed(client, id)).map((event) => event.id),
    );

  let over = false;
  const loads = busy.map(async (id) => {
    for (let n = 1; !over; n += 1) await turn(client, id, work(n));
  });
  loads.push(
    (async () => {
      while (!over) {
        const { id } = await client.files.upload({ file: await toFile(Buffer.from(String(over)), "brief") });
        await client.files.delete(id);
      }
    })(),
  );
  const made = await drover(first, "backup", backup);
  over = true;
  await Promise.all(loads);
  assert.equal(made.code, 0, made.said);
  assert.match(made.said, /read back and compared/);
  assert.match(made.said, /API key is in it/);
  // Of all that is in use at the time, nothing is missed.
  assert.doesNotMatch(made.said, /left out/);
  was = {
    key: server.key,
    held,
    asking: { id: asking, call: call?.id ?? "" },
    busy,
    file,
    cursor: frames.at(-1)?.id ?? "",
    acknowledged,
  };
  await stop(server);
});

describe("a backup that was made under load", () => {
  test("is readable by its owner alone", () => {
    for (const path of [backup, join(backup, "contents")]) assert.equal(statSync(path).mode & 0o777, 0o700);
    for (const path of globSync(join(backup, "**/*")).filter((path) => statSync(path).isFile()))
      assert.equal(statSync(path).mode & 0o077, 0, path);
  });

  test("is restored, and its sessions go on", async () => {
    const { code, said } = await drover(second, "restore", backup);
    assert.equal(code, 0, said);
    assert.match(said, /10 sessions/);
    assert.equal(statSync(join(second, "api-key")).mode & 0o777, 0o600);
    assert.match(said, /without its master key/);
    assert.ok(!existsSync(join(second, "master-key")));
    const server = await up(second);
    const { client } = server;
    assert.equal(server.key, was.key);

    // Its host is gone with the machine, as far as anybody knows.
    const held = await turnEnds(client, was.held);
    assert.match(resultsIn(held).join(), /outcome of this call is unknown/);
    await send(client, was.asking.id, {
      type: "user.tool_confirmation",
      tool_use_id: was.asking.call,
      result: "allow",
    });
    assert.deepEqual(resultsIn(await turnEnds(client, was.asking.id)), ["allowed"]);

    const downloaded = await client.files.download(was.file);
    assert.deepEqual(Buffer.from(await downloaded.arrayBuffer()), fileContent);
    await client.files.upload({ file: await toFile(Buffer.from("new"), "new.txt") });

    for (const id of was.busy) {
      await turnEnds(client, id);
      const events = await turn(
        client,
        id,
        "bash cat lines; readlink link; ls | od -c | head -1\nthen\nsay on",
      );
      assert.match(resultsIn(events).join(), /^line 0\n(line \d+\n)*lines\n/);
      const all = await listed(client, id);
      assert.deepEqual(
        all.slice(0, was.acknowledged.get(id)?.length).map((event) => event.id),
        was.acknowledged.get(id),
      );
      assertOneActor(all);
      assert.match(saidIn(all), /^turn 0\n(turn \d+\n)*on$/);
    }
    const refused = await openRawStream(server.url, was.busy[0] ?? "", {
      after: was.cursor,
      headers: { "x-api-key": server.key },
    });
    assert.equal(refused.status, 400);
    await refused.ended;
    assert.match(refused.bytes().toString(), /before a restore/);
    await stop(server);
  });

  test("is made of a server that does not run, too", async () => {
    const again = join(folder, "again");
    const { code, said } = await drover(first, "backup", again);
    assert.equal(code, 0, said);
    assert.deepEqual(readdirSync(again).toSorted(), ["contents", "manifest.jsonl"]);
  });

  test("goes into a folder of its own", async () => {
    const { code, said } = await drover(first, "backup", backup);
    assert.equal(code, 1);
    assert.match(said, /backup is not empty/);
  });

  test("is not restored over anything", async () => {
    const kept = readdirSync(second).toSorted();
    const { code, said } = await drover(second, "restore", backup);
    assert.equal(code, 1);
    assert.match(said, /second is not empty/);
    assert.deepEqual(readdirSync(second).toSorted(), kept);
  });

  test("is not restored while another one is", async () => {
    const taken = join(folder, "taken");
    mkdirSync(taken, { mode: 0o711 });
    const lock = await lockDataDir(taken, { onWait() {} });
    const { code, said } = await drover(taken, "restore", backup);
    lock.release();
    assert.equal(code, 1);
    assert.match(said, /already runs on/);
  });

  test("that is not whole leaves nothing behind", async () => {
    const damaged = join(folder, "damaged");
    cpSync(backup, damaged, { recursive: true });
    const [largest = ""] = globSync(join(damaged, "contents/??/*")).toSorted(
      (a, b) => statSync(b).size - statSync(a).size,
    );
    const bytes = readFileSync(largest);
    writeFileSync(largest, bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1));
    const third = join(folder, "third");
    const expectRefused = async (why: RegExp) => {
      const { code, said } = await drover(third, "restore", damaged);
      assert.equal(code, 1);
      assert.match(said, why);
      assert.deepEqual(readdirSync(third), ["lock"]);
    };
    await expectRefused(/the backup is damaged: .* has changed/);
    rmSync(largest);
    await expectRefused(/the backup is damaged: .* is missing/);
    writeFileSync(join(damaged, "manifest.jsonl"), '{"drover_backup":1}\n');
    await expectRefused(/manifest .* cannot be used/);
    rmSync(join(damaged, "manifest.jsonl"));
    await expectRefused(/holds no whole backup/);
  });

  test("whose restore was cut short lets nothing start, and can be restored again", async () => {
    const cut = join(folder, "cut");
    mkdirSync(join(cut, "restoring"), { recursive: true, mode: 0o711 });
    mkdirSync(join(cut, "hands/half"), { recursive: true, mode: 0o711 });
    const { code, said } = await drover(cut, "up");
    assert.equal(code, 1);
    assert.match(said, /was cut short: run drover restore again/);
    const again = await drover(cut, "restore", backup);
    assert.equal(again.code, 0, again.said);
    assert.ok(!readdirSync(join(cut, "hands")).includes("half"));
    assert.ok(!readdirSync(cut).includes("restoring"));
  });

  async function turnEnds(client: ReturnType<typeof clientOf>, id: string) {
    while ((await client.beta.sessions.retrieve(id)).status !== "idle");
    return listed(client, id);
  }
});
