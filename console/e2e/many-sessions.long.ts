import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { follow, isIdle, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { look, noBrowser, openBrowser } from "./browser.ts";

const sessions = 5_000;
const perPage = 100;

const copied = (table: string, columns: string) => ({
  name: `test_many_${table}`,
  text: `insert into ${table} select (json_populate_record(t, ${columns})).*
    from ${table} t, generate_series(1, $2::int) n where t.${table === "session" ? "id" : "session_id"} = $1`,
});

describe(`a list of ${sessions} sessions`, { skip: noBrowser }, () => {
  let api: TestServer;
  let browser: Browser;
  let agentId: string;
  let environmentId: string;
  before(async () => {
    api = await startTestServer();
    browser = await openBrowser();
    const facts = await prepare(api.client);
    ({ agent_id: agentId, environment_id: environmentId } = facts);
    const { id } = await newSession(api.client, facts);
    // One that rests, and as many like it, each made a minute before the other.
    await api.db.query(
      copied(
        "session",
        `json_build_object('id', 'sesn_' || lpad(n::text, 8, '0'), 'title', 'number ' || n, 'created_at', t.created_at - n * interval '1 minute')`,
      ),
      [id, sessions - 1],
    );
    await api.db.query(
      copied("session_head", `json_build_object('session_id', 'sesn_' || lpad(n::text, 8, '0'))`),
      [id, sessions - 1],
    );
  });
  after(async () => {
    await browser?.close();
    await api?.close();
  });

  const rows = (page: Page) => page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
  const listed = (page: Page) => {
    const asked: URL[] = [];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.pathname === "/v1/sessions") asked.push(url);
    });
    return asked;
  };

  test("is scrolled to its end: each page is asked for once, and the page holds what is in sight", async () => {
    const { page, troubles } = await look(browser, api.url, "sessions");
    await rows(page).first().waitFor();
    const asked = listed(page);
    const last = page.getByText(`number ${sessions - 1}`, { exact: true });
    while ((await last.count()) === 0) {
      await page.mouse.wheel(0, 4_000);
      await page.waitForTimeout(16);
      assert.ok((await rows(page).count()) < 80);
    }
    await last.waitFor();
    const pages = asked.filter((url) => url.searchParams.has("page"));
    assert.equal(pages.length, sessions / perPage - 1);
    assert.equal(new Set(pages.map(String)).size, pages.length);
    assert.ok((await page.evaluate<number>("document.querySelectorAll('*').length")) < 1_500);

    // Whoever has looked at one comes back to where they were, and the list is not asked for anew.
    await last.click();
    await page.getByRole("heading", { level: 1, name: `number ${sessions - 1}` }).waitFor();
    asked.length = 0;
    await page.goBack();
    await last.waitFor();
    assert.ok((await page.evaluate<number>("scrollY")) > 100_000);
    assert.ok(asked.every((url) => !url.searchParams.has("page")));

    // Whatever the list has come to, one look at it is one request for what is in sight.
    asked.length = 0;
    await page.waitForRequest((request) => new URL(request.url()).pathname === "/v1/sessions");
    await page.waitForRequest((request) => new URL(request.url()).pathname === "/v1/sessions");
    assert.ok(asked.every((url) => url.searchParams.has("created_at[lte]") && !url.searchParams.has("page")));
    assert.deepEqual(troubles, []);
  });

  test("shows what becomes of those in sight, and new ones", async () => {
    const { page, troubles } = await look(browser, api.url, "sessions");
    await rows(page).first().waitFor();
    const { id } = await api.client.beta.sessions.create({
      agent: agentId,
      environment_id: environmentId,
      title: "the newest",
    });
    const newest = rows(page).filter({ hasText: "the newest" });
    await newest.getByText("idle").waitFor();
    const following = await follow(api.client, id);
    await send(api.client, id, message("hang"));
    await newest.getByText("running").waitFor();
    await send(api.client, id, { type: "user.interrupt" });
    await following.until(isIdle);
    following.close();
    await newest.getByText("idle").waitFor();
    await newest.getByRole("checkbox").check();
    await page.getByRole("button", { name: "Archive…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Archive" }).click();
    await newest.waitFor({ state: "detached" });
    assert.ok((await api.client.beta.sessions.retrieve(id)).archived_at);
    assert.deepEqual(troubles, []);
  });

  test("takes an address that a person has written, and leaves out what is no filter", async () => {
    const { page, troubles } = await look(browser, api.url, "sessions?statuses=idle");
    const pressed = (name: string) => page.getByRole("button", { name, pressed: true });
    await pressed("Idle").waitFor();
    await rows(page).first().waitFor();
    for (const [search, name] of [
      ['statuses=["bogus"]&agent_version=2&created_after=never&order=up', "All"],
      ['statuses=["running","rescheduling","x"]', "Running"],
    ] as const) {
      await page.goto(`${api.url}/console/sessions?${search}`);
      await pressed(name).waitFor();
    }
    await pressed("Retrying").waitFor();
    await page.getByText("No session is like that").waitFor();
    await page.goBack();
    await pressed("All").waitFor();
    await rows(page).first().waitFor();
    assert.match(page.url(), /\/sessions$/);
    await page.goForward();
    await page.getByText("No session is like that").waitFor();
    assert.deepEqual(troubles, []);
  });

  test("is filtered by its address, and says there what was chosen", async () => {
    const { page, troubles } = await look(browser, api.url, "sessions");
    await rows(page).first().waitFor();
    await page.getByLabel("Order").selectOption("asc");
    await page.getByText(`number ${sessions - 1}`, { exact: true }).waitFor();
    await page.getByLabel("Agent", { exact: true }).selectOption(agentId);
    await page.getByLabel("version").selectOption("1");
    await page.getByRole("button", { name: "last day" }).click();
    // The first of the last day, by minutes.
    await page
      .getByText(/^number 14[34]\d$/)
      .first()
      .waitFor();
    const address = page.url();
    assert.match(address, /order=asc/);
    assert.match(address, new RegExp(agentId));
    const first = await rows(page).first().getByRole("link").textContent();
    await page.reload();
    await rows(page).first().waitFor();
    assert.equal(await rows(page).first().getByRole("link").textContent(), first);
    await page.getByRole("button", { name: "Running" }).click();
    await page.getByText("No session is like that").waitFor();
    await page.getByRole("button", { name: "Clear" }).click();
    await rows(page).first().waitFor();
    assert.match(page.url(), /\/sessions$/);
    await page.getByRole("button", { name: "Ended" }).click();
    await page.getByText("the newest").waitFor();
    assert.deepEqual(troubles, []);
  });
});
