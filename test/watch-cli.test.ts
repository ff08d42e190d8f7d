import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCommand } from "./harness/command.ts";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { onTerminal } from "./harness/on-terminal.ts";
import { screenOf } from "./harness/screen.ts";
import { selfHosted } from "./harness/self-hosted.ts";
import { startTestServer } from "./harness/server.ts";
import { newSession, prepare } from "./harness/session.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});

test("what is watched on a terminal stands in its place, whatever it changes to and however wide it is", async () => {
  const facts = await prepare(api.client);
  const { id } = await newSession(api.client, facts);
  const named = (title: string) => api.client.beta.sessions.update(id, { title });
  await named(`the first ${"x".repeat(80)}`);
  const watch = onTerminal(["sessions", "ls", "--watch"], drover, 78);
  await watch.shows(/the first/);
  await named("日本\u001b[2Jsecond");
  await watch.shows(/second/);
  const { id: newer } = await newSession(api.client, facts);
  await watch.shows(new RegExp(newer));
  await watch.shows(/\u001b\[J/);
  const screen = screenOf(watch.said(), 78);
  assert.match(
    screen.join("\n"),
    new RegExp(`^id +status[^\n]*\n${newer} +idle[^\n]*\n${id} +idle +tester +日本␛\\[2Jsecond[^\n]*\n$`),
  );
  // A line ends where the terminal does, with its last letter.
  const [first = ""] = watch.said().split(/\u001b\[\d+A/);
  const [head = ""] = screenOf(first, 78);
  assert.deepEqual([head.length, head.slice(-7)], [78, "changed"]);

  // Each of the three lines has gone on in a second row.
  watch.resize(40);
  await watch.shows(/\u001b\[6A\r/);
  await watch.shows(/\u001b\[3A\r/);
  watch.type("\u0003");
  assert.equal(await watch.ended, 130);
});

test("the work of a self-hosted environment is listed and watched", async () => {
  const own = await selfHosted(api);
  const at = { agent_id: own.agentId, environment_id: own.environmentId };
  assert.match((await drover(["envs", "work", own.environmentId])).err, /^it has no work: /);
  const first = await newSession(api.client, at);
  const watch = startCommand(["environments", "work", "own", "--watch"], drover.env);
  await watch.says(new RegExp(`^work_\\w+ {2}queued {2}${first.id} {4}never {2}`));
  const second = await newSession(api.client, at);
  await watch.says(new RegExp(`queued {2}${second.id}`));
  watch.child.kill("SIGINT");
  await watch.ended;
  const listed = await drover.json(["environments", "work", "own", "--json", "--limit", "1"]);
  assert.deepEqual(
    listed.map(({ data }: { data: { id: string } }) => data.id),
    [second.id],
  );
});
