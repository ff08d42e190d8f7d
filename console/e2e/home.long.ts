import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { playHello } from "../../src/cli/hello.ts";
import { cents60, limit } from "../../test/harness/budgets.ts";
import { testKey } from "../../test/harness/headers.ts";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { follow, isIdle, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { look, narrow, noBrowser, openBrowser, openWindow, signIn, transcript } from "./browser.ts";

/** The part of the page beneath this heading. */
const part = (page: Page, name: string) => page.getByRole("region", { name });

describe("the console's first page", { skip: noBrowser }, () => {
  let api: TestServer;
  let browser: Browser;
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser?.close());

  test("leads from an empty server to an agent's first answer by one click, without a key", async () => {
    const empty = await startTestServer();
    try {
      const { page, troubles } = await look(browser, empty.url, "", { viewport: narrow });
      await page.getByText("See an agent at work").waitFor();
      assert.equal(await page.getByLabel("Model").inputValue(), "simulated");
      // So it does after what a fresh installation has played by itself.
      await playHello({ baseUrl: empty.url, apiKey: testKey, out: { write: () => true } });
      await page.reload();
      await page.getByRole("button", { name: "Make the agent and start" }).click();
      // The task has these words too.
      await transcript(page).getByRole("paragraph").filter({ hasText: "That was a real command" }).waitFor();
      await transcript(page).getByText("Hello from the sandbox").first().waitFor({ state: "attached" });
      await page.goto(`${empty.url}/console/`);
      await page.getByText("No turn has ended by an error").waitFor();
      assert.equal(await page.getByText("See an agent at work").count(), 0);
      assert.deepEqual(troubles, []);
    } finally {
      await empty.close();
    }
  });

  describe("of a server at work", () => {
    before(async () => {
      api = await startTestServer();
    });
    after(() => api.close());

    const titled = async (title: string, facts: Awaited<ReturnType<typeof prepare>>) =>
      api.client.beta.sessions.create({ agent: facts.agent_id, environment_id: facts.environment_id, title });

    test("lets what waits be allowed, and denied with a word to the agent", async () => {
      const asking = await prepare(api.client, "simulated", "always_ask");
      const { id } = await titled("May it?", asking);
      const following = await follow(api.client, id);
      await send(api.client, id, message("bash echo first > a\nbash echo second > b"));
      await following.until(isIdle);
      const { page, troubles } = await look(browser, api.url, "");
      const waits = part(page, "Waits for you");
      const rows = waits.getByRole("listitem");
      await rows.nth(1).waitFor();
      assert.match((await rows.nth(0).textContent()) ?? "", /echo first/);
      await rows.nth(0).getByRole("button", { name: "Allow" }).click();
      await rows.filter({ hasText: "echo first" }).waitFor({ state: "detached" });
      await rows.getByRole("button", { name: "Deny…" }).click();
      await page.keyboard.type("not that one");
      await page.keyboard.press("Enter");
      await waits.getByText("Nothing waits").waitFor();
      await following.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
      following.close();
      const answers = (await api.client.beta.sessions.events.list(id, { limit: 1000 })).data.filter(
        (event) => event.type === "user.tool_confirmation",
      );
      assert.deepEqual(answers.map((event) => [event.result, event.deny_message ?? null]).toSorted(), [
        ["allow", null],
        ["deny", "not that one"],
      ]);
      assert.deepEqual(troubles, []);
    });

    test("leads from what failed to the very event, and tells what was got over apart", async () => {
      const facts = await prepare(api.client);
      for (const [title, text] of [
        ["It is broken", "fail billing"],
        ["It would not", "refuse cyber That is no work for me."],
        ["It is well again", "fail overloaded\nsay well"],
      ] as const) {
        const { id } = await titled(title, facts);
        const following = await follow(api.client, id);
        await send(api.client, id, message(text));
        await following.until(isIdle);
        following.close();
      }
      const { page, troubles } = await look(browser, api.url, "");
      const failed = part(page, "What failed");
      await failed.getByText("ended the turn").first().waitFor();
      await failed.getByText("refusal (cyber)").waitFor();
      await failed.getByText("That is no work for me.").waitFor();
      assert.equal(await failed.getByText("It is well again").count(), 0);
      await failed.getByLabel("also what was tried again").check();
      await failed.getByText("got over").waitFor();
      assert.match(page.url(), /errors=all/);
      const titles = await failed.getByRole("listitem").getByRole("link").allTextContents();
      assert.deepEqual(titles, ["It is well again", "It would not", "It is broken"]);
      await failed.getByRole("link", { name: "It is broken" }).click();
      const chosen = page.getByRole("region", { name: "The chosen event" });
      await chosen.getByText("billing_error").waitFor();
      assert.match(page.url(), /event=sevt_/);
      await page.getByRole("option", { name: "session.error", selected: true }).waitFor();
      assert.deepEqual(troubles, []);
    });

    test("shows what runs while it does, and asks for nothing while nobody sees it", async () => {
      const facts = await prepare(api.client);
      const { page, troubles } = await look(browser, api.url, "");
      const runs = part(page, "Runs now");
      await runs.getByText("Nothing runs").waitFor();
      const { id } = await titled("It works on", facts);
      const following = await follow(api.client, id);
      await send(api.client, id, message("hang"));
      await runs.getByText("It works on").waitFor();
      await send(api.client, id, { type: "user.interrupt" });
      await runs.getByText("Nothing runs").waitFor();
      following.close();

      await page.clock.install();
      await page.reload();
      await runs.getByText("Nothing runs").waitFor();
      let asked = 0;
      page.on("request", () => asked++);
      const seen = (state: "hidden" | "visible") =>
        page.evaluate(
          `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
          dispatchEvent(new Event("visibilitychange")); document.dispatchEvent(new Event("visibilitychange"))`,
        );
      await page.clock.runFor(60_000);
      assert.ok(asked > 0 && asked <= 60, `${asked} requests in a minute`);
      await seen("hidden");
      // What was under way.
      await page.clock.runFor(1_000);
      asked = 0;
      await page.clock.runFor(120_000);
      assert.equal(asked, 0);
      await seen("visible");
      await page.clock.runFor(20_000);
      assert.ok(asked > 0);
      assert.deepEqual(troubles, []);
    });

    test("says what today has cost by the day of the server, where the browser's clock is another", async () => {
      for (const hours of [-20, 20]) {
        const { page, troubles } = await openWindow(browser);
        await page.clock.install({ time: Date.now() + hours * 3_600_000 });
        await signIn(page, api.url);
        const figure = part(page, "Today").getByRole("definition").nth(1);
        await figure.getByText(/^[1-9]\d* model requests?$/).waitFor();
        assert.deepEqual(troubles, []);
        await page.context().close();
      }
    });

    test("has work that has used up its budget among what waits, until that is raised", async () => {
      const facts = await prepare(api.client);
      const { id } = await api.client.beta.sessions.create({
        agent: facts.agent_id,
        environment_id: facts.environment_id,
        title: "It was dear",
        budget: limit("50"),
      });
      const following = await follow(api.client, id);
      await send(api.client, id, message(`${cents60}\nbash echo one\nthen\nsay Done for more.`));
      await following.until(isIdle);
      const { page, troubles } = await look(browser, api.url, "");
      const row = part(page, "Waits for you").getByRole("listitem").filter({ hasText: "It was dear" });
      await row.getByText("used up its budget").waitFor();
      await row.getByRole("link", { name: "Raise it" }).click();
      await transcript(page).waitFor();
      await page.goBack();
      await row.waitFor();
      await api.client.beta.sessions.update(id, { budget: limit("500") });
      await following.until(isIdle, 2);
      following.close();
      await row.waitFor({ state: "detached" });
      assert.deepEqual(troubles, []);
    });

    test("of a tool of the client's it leads to the session, where it is answered", async () => {
      const agent = await api.client.beta.agents.create({
        name: "asker",
        model: "simulated",
        tools: [{ type: "custom", name: "look", description: "Looks", input_schema: { type: "object" } }],
      });
      const facts = await prepare(api.client);
      const { id } = await newSession(api.client, { ...facts, agent_id: agent.id });
      const following = await follow(api.client, id);
      await send(api.client, id, message("call look {}"));
      await following.until(isIdle);
      const { page } = await look(browser, api.url, "");
      await part(page, "Waits for you").getByRole("link", { name: "Answer in the session" }).click();
      await page.getByLabel("The result of the tool").fill("seen");
      await page.getByRole("button", { name: "Answer", exact: true }).click();
      await following.until(isIdle, 2);
      following.close();
    });
  });
});
