import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page, Route } from "playwright-core";
import { startCuttingProxy } from "../../test/harness/cutting-proxy.ts";
import { testKey } from "../../test/harness/headers.ts";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { type Facts, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { composer, look, noBrowser, openBrowser, openWindow, say, signIn, transcript } from "./browser.ts";

describe("the console over a network that fails", { skip: noBrowser }, () => {
  let api: TestServer;
  let browser: Browser;
  let facts: Facts;
  let slow: Facts;
  before(async () => {
    api = await startTestServer();
    browser = await openBrowser();
    facts = await prepare(api.client);
    slow = await prepare(api.client, "simulated/60");
  });
  after(async () => {
    await browser?.close();
    await api?.close();
  });
  const listed = async (id: string, type: string) =>
    (await Array.fromAsync(api.client.beta.sessions.events.list(id))).filter((event) => event.type === type);
  const whole = (page: Page, text: string) => transcript(page).getByText(text, { exact: true });

  test("a network that breaks in the middle of an answer: nothing is missing, nothing twice", async () => {
    const network = await startCuttingProxy(api.url);
    try {
      const { id } = await newSession(api.client, slow);
      const { page, troubles } = await look(browser, network.url, `sessions/${id}`);
      const words = Array.from({ length: 40 }, (_, n) => `word${n}`).join(" ");
      await say(page, `say ${words}\nthen\nsay The end.`);
      await transcript(page).getByText("word1 word2").nth(1).waitFor();
      network.off();
      await page.getByText("The connection to the server is lost").waitFor();
      // What is there stays readable for as long as it lasts, whatever else cannot be had.
      await page.waitForTimeout(9_000);
      await transcript(page).getByText(words).first().waitFor();
      network.on();
      await page.getByText("The connection to the server is lost").waitFor({ state: "hidden" });
      await transcript(page).getByText("done ·").waitFor();
      assert.equal(await transcript(page).getByText(words).count(), 2, "the message and its answer");
      assert.deepEqual(troubles, []);
      await page.context().close();
    } finally {
      await network.close();
    }
  });

  test("a browser that is taken offline goes on by itself once it is back", async () => {
    const { id } = await newSession(api.client, slow);
    const { page } = await look(browser, api.url, `sessions/${id}`);
    const words = Array.from({ length: 40 }, (_, n) => `word${n}`).join(" ");
    await say(page, `say ${words}`);
    await transcript(page).getByText("word1 word2").nth(1).waitFor();
    await page.context().setOffline(true);
    await send(api.client, id, message("say Meanwhile."));
    await page.context().setOffline(false);
    await whole(page, "Meanwhile.").waitFor();
    assert.equal(await whole(page, words).count(), 1);
    await page.context().close();
  });

  test("a message whose answer is lost stays where it was written, and is sent once", async () => {
    const { id } = await newSession(api.client, facts);
    const { page } = await look(browser, api.url, `sessions/${id}`);
    await page.route("**/events", async (route) => {
      await route.fetch();
      await route.abort("connectionreset");
    });
    await say(page, "say Only once.");
    await page.getByText("Perhaps it has arrived all the same").waitFor();
    assert.equal(await composer(page).inputValue(), "say Only once.");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("Perhaps it has arrived all the same").waitFor();
    await page.unroute("**/events");
    // A page that is loaded anew gets the answer that was lost.
    await page.reload();
    await whole(page, "Only once.").waitFor();
    await page.locator("textarea:placeholder-shown").waitFor();
    assert.equal((await listed(id, "user.message")).length, 1);
    await composer(page).fill("not sent yet");
    await page.reload();
    await transcript(page).getByText("done ·").waitFor();
    assert.equal(await composer(page).inputValue(), "not sent yet");
    assert.equal((await listed(id, "user.message")).length, 1);
    await page.context().close();
  });

  test("a connection that is dead without a word is given up, and what was sent over it is sent once", async () => {
    const { id } = await newSession(api.client, facts);
    const { page } = await look(browser, api.url, `sessions/${id}`);
    const keys = new Set<string | undefined>();
    const answers: ((route: Route) => unknown)[] = [
      async (route) => void (await route.fetch()),
      (route) =>
        route.fulfill({
          status: 409,
          json: { type: "error", error: { type: "conflict_error", message: "the first one still runs" } },
        }),
      (route) => route.continue(),
    ];
    await page.route("**/events", (route) => {
      keys.add(route.request().headers()["idempotency-key"]);
      return answers.shift()?.(route);
    });
    await say(page, "say Only once.");
    await page.getByText("The server does not answer.").waitFor({ timeout: 60_000 });
    assert.equal(await composer(page).inputValue(), "say Only once.");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("the first one still runs").waitFor();
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator("textarea:placeholder-shown").waitFor();
    await transcript(page).getByText("done ·").waitFor();
    assert.equal(keys.size, 1);
    assert.equal((await listed(id, "user.message")).length, 1);
    await page.context().close();
  });

  test("whoever is signed out in the middle of it signs in and is back, with what they were writing", async () => {
    const network = await startCuttingProxy(api.url);
    try {
      const { id } = await newSession(api.client, facts);
      const path = `sessions/${id}?tab=transcript`;
      const { page } = await look(browser, network.url, path);
      await composer(page).fill("say I am back.");
      await page.context().clearCookies();
      network.off();
      network.on();
      await page.getByLabel("API key").fill(testKey);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.waitForURL(new RegExp(`/console/sessions/${id}`));
      assert.equal(await composer(page).inputValue(), "say I am back.");
      await page.getByRole("button", { name: "Send" }).click();
      await whole(page, "I am back.").waitFor();
      await page.context().close();
    } finally {
      await network.close();
    }
  });

  test("ten tabs follow ten sessions: none keeps another from its requests", async () => {
    const { page: first, troubles } = await look(browser, api.url, "");
    const tabs: Page[] = [];
    for (let n = 0; n < 10; n++) {
      const { id } = await newSession(api.client, facts);
      const tab = await first.context().newPage();
      tab.setDefaultTimeout(20_000);
      await tab.goto(`${api.url}/console/sessions/${id}`);
      await composer(tab).waitFor();
      tabs.push(tab);
    }
    for (const [n, tab] of tabs.entries()) await say(tab, `say Tab ${n} is heard.`);
    for (const [n, tab] of tabs.entries()) await whole(tab, `Tab ${n} is heard.`).waitFor();
    // One that had given its stream up has it again once others are closed.
    const [oldest, ...others] = tabs as [Page, ...Page[]];
    for (const tab of others) await tab.close();
    await say(oldest, "say And alone.");
    await whole(oldest, "And alone.").waitFor();
    assert.deepEqual(troubles, []);
    await first.context().close();
  });

  test("a tab that nobody sees has no stream, and shows what has come once it is seen", async () => {
    const { id } = await newSession(api.client, facts);
    const { page, troubles } = await look(browser, api.url, `sessions/${id}`);
    await say(page, "say Before.");
    await whole(page, "Before.").waitFor();
    const see = (state: string) =>
      page.evaluate(`
        Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "${state}" });
        document.dispatchEvent(new Event("visibilitychange"));
      `);
    const ended = page.waitForEvent("requestfailed", (request) => request.url().includes("/events/stream"));
    await see("hidden");
    await ended;
    await send(api.client, id, message("say Meanwhile."));
    await see("visible");
    await whole(page, "Meanwhile.").waitFor();
    await say(page, "say After.");
    await whole(page, "After.").waitFor();
    for (const text of ["Before.", "Meanwhile."]) assert.equal(await whole(page, text).count(), 1);
    assert.equal(await page.getByText("The connection to the server is lost").count(), 0);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("a session that has ended is shown whole, and as no lost connection", async () => {
    const { id } = await newSession(api.client, facts);
    const { page } = await look(browser, api.url, `sessions/${id}`);
    await say(page, "say The last words.");
    await whole(page, "The last words.").waitFor();
    await transcript(page).getByText("done ·").waitFor();
    await api.client.beta.sessions.archive(id);
    await page.getByText("This session is over").waitFor();
    await page.reload();
    await whole(page, "The last words.").waitFor();
    await page.waitForTimeout(3_000);
    assert.equal(await page.getByText("The connection to the server is lost").count(), 0);
    await page.context().close();
  });

  test("a server that is reached over http by its name: messages are sent, ids copied", async () => {
    const named = await openBrowser("--host-resolver-rules=MAP drover.test 127.0.0.1");
    try {
      const { id } = await newSession(api.client, facts);
      const url = api.url.replace("127.0.0.1", "drover.test");
      const { page, troubles } = await openWindow(named);
      await signIn(page, url, `sessions/${id}`);
      assert.equal(await page.evaluate("isSecureContext"), false);
      await say(page, "say Heard.");
      await whole(page, "Heard.").waitFor();
      await page.locator(`button[title^="${id}"]`).click();
      await page.getByText("copied").waitFor();
      // One header of the server means nothing over http, and Chromium says so.
      assert.deepEqual(
        troubles.filter((trouble) => !trouble.startsWith("The Cross-Origin-Opener-Policy header")),
        [],
      );
    } finally {
      await named.close();
    }
  });
});
