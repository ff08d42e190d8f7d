import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { toFile } from "@anthropic-ai/sdk";
import type { Session } from "../src/protocol/sessions.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import {
  type Facts,
  follow,
  isIdle,
  isOf,
  message,
  prepare,
  resultsIn,
  send,
  turn,
} from "./harness/session.ts";
import { heldCommand } from "./harness/workspace.ts";

/** Files of sessions as their commands see them, in real sandboxes. */

let api: TestServer;
let client: Anthropic;
let facts: Facts;
before(async () => {
  api = await startTestServer();
  client = api.client;
  facts = await prepare(client);
});
after(() => api.close());

const upload = async (content: string | Buffer) =>
  (await client.files.upload({ file: await toFile(Buffer.from(content), "sales.csv", { type: "text/csv" }) }))
    .id;

const sessionWith = (files: Record<string, string>) =>
  client.beta.sessions.create({
    agent: facts.agent_id,
    environment_id: facts.environment_id,
    resources: Object.entries(files).map(([mount_path, file_id]) => ({ type: "file", file_id, mount_path })),
  });

/** What a command of the session says. */
async function run(id: string, command: string): Promise<string> {
  const [result] = resultsIn(await turn(client, id, `bash ${command}`));
  return (result ?? assert.fail("no result")).trim();
}

const sales = "region,amount\nnorth,10\nsouth,32\nnorth,8\n";

describe("a file of a session", () => {
  test("is there for the first command, is analysed, and comes out of the sandbox byte for byte", async () => {
    const binary = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256));
    const session = await sessionWith({
      "in/sales.csv": await upload(sales),
      "/blob.bin": await upload(binary),
    });
    const sums = await run(
      session.id,
      "awk -F, 'NR > 1 { sum[$1] += $2 } END { for (region in sum) print region, sum[region] }' /mnt/session/uploads/in/sales.csv | sort",
    );
    assert.equal(sums, "north 18\nsouth 32");
    const hash = createHash("sha256").update(binary).digest("hex");
    assert.equal(await run(session.id, "sha256sum < /mnt/session/uploads/blob.bin"), `${hash}  -`);
    assert.equal(
      await run(session.id, "find /mnt/session/uploads -type f | sort"),
      ["/mnt/session/uploads/blob.bin", "/mnt/session/uploads/in/sales.csv"].join("\n"),
    );
  });

  test("is where its id says when nobody says where", async () => {
    const file_id = await upload("by its id");
    const session = await client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
      resources: [{ type: "file", file_id }],
    });
    assert.equal(await run(session.id, `cat /mnt/session/uploads/${file_id}`), "by its id");
  });

  test("can be read, and neither written, replaced, removed nor added to", async () => {
    const session = await sessionWith({ "in/sales.csv": await upload(sales) });
    const file = "/mnt/session/uploads/in/sales.csv";
    for (const command of [
      `echo x >> ${file}`,
      `rm -f ${file}`,
      `mv ${file} /tmp/x`,
      `cp /etc/hostname ${file}`,
      `chmod 777 ${file}`,
      "touch /mnt/session/uploads/new",
      "mkdir /mnt/session/uploads/in/new",
      "mount -o remount,rw /mnt/session/uploads",
    ])
      assert.match(await run(session.id, `${command} && echo DONE || echo refused`), /refused$/, command);
    assert.equal(await run(session.id, `cat ${file}`), sales.trim());
  });

  test("comes and goes between the commands of a sandbox that lives on", async () => {
    const session = await sessionWith({ one: await upload("one") });
    const list = "ls /mnt/session/uploads";
    assert.equal(await run(session.id, `{ sleep 600 & } 2> /dev/null; echo $! > /tmp/pid; ${list}`), "one");
    const place = { session_id: session.id };
    const file_id = await upload("two");
    const two = await client.beta.sessions.resources.add(session.id, {
      type: "file",
      file_id,
      mount_path: "deep/two",
    });
    assert.equal(await run(session.id, `${list}; cat /mnt/session/uploads/deep/two`), "deep\none\ntwo");
    await client.beta.sessions.resources.delete(two.id, place);
    assert.equal(await run(session.id, list), "one");
    const [one] = session.resources;
    assert.ok(one?.type === "file");
    await client.beta.sessions.resources.delete(one.id, place);
    assert.equal(await run(session.id, `${list}; echo nothing`), "nothing");
    assert.equal(
      await run(session.id, "kill -0 $(cat /tmp/pid) && echo alive"),
      "alive",
      "one sandbox all along",
    );
  });

  test("that is added while a turn goes on is there for its next command", async () => {
    const session = await sessionWith({});
    const following = await follow(client, session.id);
    const wait = `bash ${heldCommand}`;
    await send(client, session.id, message(`${wait}\nthen\nbash cat /mnt/session/uploads/late; echo`));
    await following.until(isOf("agent.tool_use"));
    const file_id = await upload("in time");
    await client.beta.sessions.resources.add(session.id, { type: "file", file_id, mount_path: "late" });
    api.workspace(session.id).release();
    const events = await following.until(isIdle);
    following.close();
    assert.equal(resultsIn(events).at(-1)?.trim(), "in time");
  });

  test("is never seen by another session, nor is what another one has at the same path", async () => {
    const [mine, yours] = [
      await sessionWith({ f: await upload("mine") }),
      await sessionWith({ f: await upload("yours") }),
    ];
    const none = await sessionWith({});
    const see = "cat /mnt/session/uploads/f 2>&1 || true";
    const seen = await Promise.all([mine, yours, none].map(({ id }) => run(id, see)));
    assert.deepEqual(seen.slice(0, 2), ["mine", "yours"]);
    assert.match(seen[2] ?? "", /No such file/);
    await client.beta.sessions.delete(mine.id);
    assert.equal(await run(yours.id, see), "yours");
  });

  test("is in a fork, which keeps it when the other session goes", async () => {
    const session = await sessionWith({ f: await upload("both have it") });
    await run(session.id, "cat /mnt/session/uploads/f");
    const forked = await client.post<Session>(`/v1/sessions/${session.id}/fork`, { body: {} });
    await client.beta.sessions.delete(session.id);
    assert.match(await run(forked.id, "cat /mnt/session/uploads/f"), /^both have it\n/);
  });
});
