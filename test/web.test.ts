import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sends, startSite, type TestSite } from "../src/tools/web/testing.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import {
  type EventOf,
  follow,
  isIdle,
  isOf,
  message,
  newSession,
  prepare,
  resultsIn,
  type StreamEvent,
  send,
  turn,
} from "./harness/session.ts";

let site: TestSite;
let api: TestServer;
let environment_id: string;
const slow = Promise.withResolvers<void>();

before(async () => {
  site = await startSite({
    "/page": sends("text/html", "<title>Otters</title><main><h1>Otters</h1><p>They hold hands.</main>"),
    "/next": sends("text/plain", "the next page"),
    "/slow": () => slow.resolve(),
    "/search": (_, response) => {
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({
          results: [{ url: `${site.url}/next`, title: "Next", content: "What comes next." }],
        }),
      );
    },
  });
  api = await startTestServer({
    allow_private_hosts: ["127.0.0.1"],
    search: { provider: "searxng", url: site.url },
  });
  ({ environment_id } = await prepare(api.client));
});
after(async () => {
  await api.close();
  site.close();
});

type Config = Record<string, unknown> & { name: "web_fetch" | "web_search" };

async function sessionWith(...configs: Config[]) {
  const { id: agent } = await api.client.beta.agents.create({
    name: "web",
    model: "simulated",
    tools: [{ type: "agent_toolset_20260401", configs: configs as never }],
  });
  return api.client.beta.sessions.create({ agent, environment_id });
}

const fetching = (path: string) => `call web_fetch ${JSON.stringify({ url: `${site.url}${path}` })}`;
const searching = `call web_search {"query":"otters"}`;
const toolResults = (events: StreamEvent[]) => events.filter(isOf("agent.tool_result"));

describe("the web tools", () => {
  test("may fetch what a result has shown, also when the conversation was summed up since then", async () => {
    const { id } = await sessionWith({
      name: "web_fetch",
      url_sources: { user_input: "none", server_tool_results: "all", client_tool_results: "none" },
    });
    await turn(api.client, id, [searching, "then", "say done", "usage in=900000000"].join("\n"));
    const events = await turn(api.client, id, fetching("/next"));
    assert.ok(events.some(isOf("agent.thread_context_compacted")));
    assert.match(resultsIn(events)[0] ?? "", /the next page$/);
    const [checkpoint] = await api.db.query<{ count: number }>(
      {
        name: "test_checkpoints",
        text: "select count(*)::int as count from event where session_id = $1 and type = 'checkpoint'",
      },
      [id],
    );
    assert.equal(checkpoint?.count, 1);
    const again = await turn(api.client, id, fetching("/next"));
    assert.match(resultsIn(again)[0] ?? "", /the next page$/);
  });

  test("fetch a page as Markdown, in the server and not in the sandbox", async () => {
    const { id } = await newSession(api.client, { ...(await prepare(api.client)), environment_id });
    const events = await turn(api.client, id, fetching("/page"));
    assert.deepEqual(resultsIn(events), [
      `URL: ${site.url}/page\nTitle: Otters\n\n# Otters\n\nThey hold hands.`,
    ]);
    assert.equal(toolResults(events)[0]?.is_error, false);
    assert.deepEqual((await api.client.beta.sessions.retrieve(id)).usage.server_tool_use, {
      web_search_requests: 0,
      web_fetch_requests: 0,
    });
  });

  test("reach nothing private", async () => {
    const { id } = await sessionWith();
    for (const url of ["http://169.254.169.254/latest/", "http://[::1]:8400/", "http://127.2:8400/"]) {
      const events = await turn(api.client, id, `call web_fetch ${JSON.stringify({ url })}`);
      assert.match(resultsIn(events)[0] ?? "", /^url_not_allowed: .*DROVER_ALLOW_PRIVATE_HOSTS/);
      assert.equal(toolResults(events)[0]?.is_error, true);
    }
  });

  test("keep to what the agent is allowed", async () => {
    const { id } = await sessionWith({ name: "web_fetch", allowed_domains: ["example.com"] });
    const before = site.asked.length;
    assert.match(resultsIn(await turn(api.client, id, fetching("/page")))[0] ?? "", /^url_not_allowed/);
    assert.equal(site.asked.length, before);
    const off = await sessionWith({ name: "web_fetch", enabled: false });
    assert.match(resultsIn(await turn(api.client, off.id, fetching("/page")))[0] ?? "", /not enabled/);
  });

  test("search, count, cost, and let what was found be fetched", async () => {
    const { id } = await sessionWith({
      name: "web_fetch",
      url_sources: { user_input: "none", server_tool_results: "all", client_tool_results: "none" },
    });
    const refused = await turn(api.client, id, fetching("/next"));
    assert.match(resultsIn(refused)[0] ?? "", /^url_not_allowed: .*url_sources/);
    const events = await turn(
      api.client,
      id,
      ["usage in=0 out=0", searching, "then", "usage in=0 out=0", fetching("/next"), "then", "say done"].join(
        "\n",
      ),
    );
    assert.deepEqual(toolResults(events)[0]?.content, [
      {
        type: "search_result",
        source: `${site.url}/next`,
        title: "Next",
        content: [{ type: "text", text: "What comes next." }],
        citations: { enabled: false },
      },
    ]);
    assert.match(resultsIn(events)[1] ?? "", /the next page$/);
    const { usage } = events.findLast(isOf("session.usage")) as EventOf<"session.usage">;
    assert.deepEqual(usage.server_tool_use, { web_search_requests: 1, web_fetch_requests: 0 });
    assert.deepEqual(usage.list_cost, { amount: "1", currency: "USD" });
    assert.deepEqual(
      (await api.client.beta.sessions.retrieve(id)).usage.server_tool_use,
      usage.server_tool_use,
    );
  });

  test("use up a budget", async () => {
    const { agent } = await sessionWith();
    const { id } = await api.client.beta.sessions.create({
      agent: agent.id,
      environment_id,
      budget: { type: "limit", max_list_cost: { amount: "3", currency: "USD" } },
    });
    const events = await turn(api.client, id, `repeat 3 ${searching}\nthen\nsay never`);
    assert.equal(events.findLast(isIdle)?.stop_reason?.type, "budget_reached");
    assert.equal(toolResults(events).length, 3);
  });

  test("end with an interrupt", async () => {
    const { id } = await sessionWith();
    const following = await follow(api.client, id);
    await send(api.client, id, message(fetching("/slow")));
    await slow.promise;
    await send(api.client, id, { type: "user.interrupt" });
    const events = await following.until(isIdle);
    following.close();
    assert.match(resultsIn(events)[0] ?? "", /interrupted/);
    assert.equal(toolResults(events)[0]?.is_error, true);
  });
});
