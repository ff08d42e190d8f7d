import assert from "node:assert/strict";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";
import { prepare, turn } from "./harness/session.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});

const first = await prepare(api.client);
const hostile = await api.client.beta.agents.create({ name: "日本\u001b[2J", model: "simulated" });
const { environment_id } = first;
for (const agent of [first.agent_id, first.agent_id, hostile.id]) {
  const { id } = await api.client.beta.sessions.create({ agent, environment_id });
  await turn(api.client, id, "say hello");
}

test("what was used is shown by day, by agent and model with a total, and of one session", async () => {
  const day = "\\d{4}-\\d\\d-\\d\\d";
  const days = await drover.done(["usage"]);
  assert.match(
    days,
    new RegExp(
      `^day +requests +input +cached +output +cost +worked +sessions\n(${day} .*\n)?${day} +3 .* \\$0\\.\\d{4} `,
    ),
  );
  const both = await drover.done(["usage", "--by", "agent,model", "--since", "30d"]);
  assert.match(both, /^agent +model +requests .*\n/);
  assert.match(both, /\ntester +simulated +2 +\d+ +\d+% +\d+ +\$/);
  assert.match(both, /\n日本␛\[2J +simulated +1 /);
  assert.match(both, /\ntotal +3 .*\n$/);
  assert.match(
    await drover.done(["usage", "--by", "hour", "--session", "last"]),
    /^hour .*\n\S+T\d\d:00Z +1 .* 1\n$/,
  );
  const nobody = await drover(["usage", "--until", "2020-02-01", "--since", "2020-01-01"]);
  assert.deepEqual(
    [nobody.code, nobody.out, nobody.err],
    [0, "", "nothing was used since 2020-01-01T00:00Z\n"],
  );
});

test("of many pages there is one table, and JSON has all buckets as the API has them", async () => {
  const buckets = await drover.json(["usage", "--since", "40d", "--by", "agent", "--json"]);
  assert.equal(buckets.length, 40);
  const { results } = buckets.at(-1);
  assert.ok(results.length > 0 && results.every(({ agent_id }: { agent_id: string }) => agent_id !== null));
  const csv = await drover.done(["usage", "--since", "40d", "--by", "agent", "--agent", "tester", "--csv"]);
  const [head = "", row = "", ...rest] = csv.split("\r\n");
  assert.match(head, /^starting_at,.*,list_cost_usd_cents$/);
  assert.ok(row.includes(first.agent_id));
  assert.deepEqual(
    rest.filter((line) => line.startsWith("starting_at")),
    [],
  );
});

test("what cannot be meant is a wrong use", async () => {
  for (const wrong of [
    ["--by", "week"],
    ["--by", "day,hour"],
    ["--since", "yesterday"],
    ["--since", "2026-13-01"],
    ["--since", "2026-02-31"],
    ["--since", "2026-02-31T08:00Z"],
    ["--since", "2026-01-02", "--until", "2026-01-01"],
    ["--csv", "--json"],
  ])
    assert.equal((await drover(["usage", ...wrong])).code, 2, wrong.join(" "));
});

test("a time without a zone is of UTC, wherever somebody is", async () => {
  for (const [since, zone] of [
    ["2026-01-31T08:30", "America/New_York"],
    ["2026-01-31T08:30Z", "Asia/Tokyo"],
    ["2026-01-31T10:30+02:00", "Asia/Tokyo"],
    ["2026-01-31T10:30+0200", "UTC"],
  ] as const) {
    const times = ["--since", since, "--until", "2026-01-31T09:00", "--by", "hour", "--json"];
    const [first] = await drover.json(["usage", ...times], { env: { TZ: zone } });
    assert.equal(first.starting_at, "2026-01-31T08:00:00Z", since);
  }
});
