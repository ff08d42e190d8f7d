import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { startCommand } from "./harness/command.ts";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";
import { message, newSession, prepare, send, turn } from "./harness/session.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});

const facts = await prepare(api.client);
const asking = await prepare(api.client, "simulated", "always_ask");
const older = await api.client.beta.sessions.create({
  agent: facts.agent_id,
  environment_id: facts.environment_id,
  title: "older\u001b[2J\u202egnp",
});
await turn(api.client, older.id, "say hello");

test("sessions are listed, and shown with what they wait for", async () => {
  const waits = await newSession(api.client, asking);
  await turn(api.client, waits.id, "bash true");
  const table = await drover.done(["sessions", "ls"]);
  assert.match(
    table,
    new RegExp(
      `^id +status +agent +title +changed\n${waits.id} +idle: requires_action +tester +\\S.*\n${older.id} +idle +tester +older␛\\[2J<U\\+202E>gnp +\\S.*\n$`,
    ),
  );
  assert.deepEqual(
    (await drover.json(["sessions", "list", "--json", "--limit", "1"])).map(({ id }: { id: string }) => id),
    [waits.id],
  );
  assert.match(
    (await drover(["sessions", "ls", "--limit", "1"])).err,
    /^there are more: --limit 5, or --all\n$/,
  );
  assert.deepEqual(await drover.json(["sessions", "ls", "--status", "running", "--json"]), []);

  const shown = await drover.done(["sessions", "show", "last"]);
  const call = /to answer +(sevt_\w+)/.exec(shown)?.[1] ?? assert.fail(shown);
  await drover.done(["sessions", "allow", waits.id, call]);
  const ended = await drover(["sessions", "tail", waits.id, "--until-idle"]);
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /├─ bash true\n[\s\S]*allow\n[\s\S]*└─ idle end_turn\n$/);
  assert.equal((await drover.json(["sessions", "show", waits.id, "--json"])).waiting_for.type, "message");
});

test("events are listed in their order, filtered, and raw to nobody", async () => {
  const [newest, ...others] = await drover.json(["sessions", "events", older.id, "--json", "--limit", "1"]);
  assert.deepEqual([newest.type, others], ["session.status_idle", []]);
  const messages = await drover.done([
    "sessions",
    "events",
    older.id,
    "--type",
    "user.message",
    "--type",
    "agent.message",
  ]);
  assert.match(
    messages,
    /^time +id +type +text\n\S+Z +sevt_\w+ +user\.message +say hello\n\S+Z +sevt_\w+ +agent\.message +hello\n$/,
  );
  const hostile = await newSession(api.client, facts);
  await turn(api.client, hostile.id, "say \u001b[2Jred \u202egnp");
  const { out } = await drover(["sessions", "tail", hostile.id, "--until-idle"]);
  assert.match(out, /agent ␛\[2Jred <U\+202E>gnp/);
  const lines = (await drover.done(["sessions", "tail", hostile.id, "--until-idle", "--json"]))
    .trim()
    .split("\n");
  assert.equal(JSON.parse(lines.at(-1) ?? "").type, "session.status_idle");
  assert.doesNotMatch(lines.join("\n"), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
});

test("tail shows what comes, until the session ends", async () => {
  const session = await newSession(api.client, facts);
  const tail = startCommand(["sessions", "tail", session.id], drover.env);
  await send(api.client, session.id, message("say first"));
  await tail.says(/agent first/);
  await tail.says(/idle end_turn/);
  await api.client.beta.sessions.archive(session.id);
  assert.equal(await tail.ended, 0, tail.said());
  assert.match(tail.said(), /└─ terminated\n$/);
});

test("what is watched is told as it changes, without a terminal line by line", async () => {
  const session = await newSession(api.client, facts);
  const watch = startCommand(["sessions", "ls", "--watch", "--json", "--limit", "1"], drover.env);
  await watch.says(new RegExp(`"id":"${session.id}"`));
  await api.client.beta.sessions.update(session.id, { title: "renamed" });
  await watch.says(/"title":"renamed"/);
  watch.child.kill("SIGINT");
  await watch.ended;
  for (const line of watch.said().trim().split("\n")) JSON.parse(line);
});

test("sessions are forked, interrupted, archived and deleted", async () => {
  const events = await drover.json(["sessions", "events", older.id, "--json"]);
  const first = events.find(({ type }: { type: string }) => type === "user.message");
  const fork = (
    await drover.done(["sessions", "fork", older.id, "--event", first.id, "--title", "again"])
  ).trim();
  const shown = await drover.done(["sessions", "show", fork]);
  assert.match(shown, new RegExp(`forked from +${older.id} at ${first.id}\n`));
  await send(api.client, fork, message("hang"));
  await drover.done(["sessions", "interrupt", fork]);
  const tailed = await drover(["sessions", "tail", fork, "--until-idle", "-n", "0"]);
  assert.equal(tailed.code, 0, tailed.err);
  assert.equal(await drover.done(["sessions", "archive", fork]), `${fork} is archived\n`);
  assert.match(
    await drover.done(["sessions", "ls", "--archived", "--limit", "1"]),
    / archived +tester +again /,
  );
  assert.equal(await drover.done(["sessions", "delete", fork]), `${fork} is deleted\n`);
  const gone = await drover(["sessions", "show", fork]);
  assert.deepEqual([gone.code, gone.err], [3, `session ${fork} not found\n`]);
  assert.equal((await drover(["sessions", "delete", "last"])).code, 2);
});

test("a turn that ends otherwise is told by the exit code", async () => {
  const failed = await drover(["run", "fail rejected 9", "--agent", facts.agent_id]);
  assert.equal(failed.code, 6);
  const waits = await drover(["run", "bash true", "--agent", asking.agent_id]);
  assert.equal(waits.code, 7);
});

test("the newest session is gone on with by its being last", async () => {
  const { id } = await newSession(api.client, facts);
  const { code, out, err } = await drover(["run", "say again", "--session", "last"]);
  assert.equal(code, 0, err);
  assert.match(out, new RegExp(`^session ${id}\n`));
  assert.deepEqual(await drover.json(["audit", "last", "--json"]), []);
});

test("files are brought along, and what was made is told and saved", async () => {
  writeFileSync(join(drover.folder, "in.txt"), "from here");
  const task =
    "bash mkdir -p /mnt/session/outputs/a && tr a-z A-Z < /mnt/session/uploads/in.txt > /mnt/session/outputs/a/out.txt\nthen\nsay done";
  const { code, out, err } = await drover(["run", "--file", "in.txt", "--outputs", "saved", task]);
  assert.equal(code, 0, err);
  assert.match(out, /\nfile a\/out\.txt {2}9 B {2}file_\w+\n$/);
  assert.equal(readFileSync(join(drover.folder, "saved/a/out.txt"), "utf8"), "FROM HERE");
});
