import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { findings } from "./axe.ts";
import { look, narrow, noBrowser, openBrowser, openWindow, overflow, wide } from "./browser.ts";
import { type Furnished, furnish, pagesOf } from "./furnish.ts";

describe("every page of the console", { skip: noBrowser }, () => {
  let api: TestServer;
  let browser: Browser;
  let furnished: Furnished;
  before(async () => {
    api = await startTestServer();
    furnished = await furnish(api.client);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await api?.close();
  });

  for (const [width, viewport] of Object.entries({ wide, narrow }))
    for (const colorScheme of ["light", "dark"] as const)
      test(`has no serious fault, ${width} and ${colorScheme}`, async () => {
        const outside = await openWindow(browser, { viewport, colorScheme });
        await outside.page.goto(`${api.url}/console/`);
        await outside.page.getByLabel("API key").waitFor();
        const found = (await findings(outside.page)).map((finding) => `sign-in: ${finding}`);
        assert.equal(await overflow(outside.page), 0, "sign-in");
        await outside.page.context().close();
        const { page, troubles } = await look(browser, api.url, "", { viewport, colorScheme });
        for (const { name, path, shows } of pagesOf(furnished)) {
          await page.goto(`${api.url}/console/${path}`);
          await page.getByText(shows).first().waitFor();
          found.push(...(await findings(page)).map((finding) => `${name}: ${finding}`));
          assert.equal(await overflow(page), 0, name);
        }
        assert.deepEqual(found, []);
        assert.deepEqual(troubles, []);
        await page.context().close();
      });

  test("is reached by keyboard, and says what it is", async () => {
    const { page } = await look(browser, api.url, "");
    await page.reload();
    await page.getByRole("link", { name: "Drover" }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.textContent"), "Skip to the content");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate("document.getElementById('main').contains(document.activeElement)"));
    for (const { name, path, shows } of pagesOf(furnished)) {
      await page.goto(`${api.url}/console/${path}`);
      await page.getByText(shows).first().waitFor();
      assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1, name);
    }
  });

  test("holds names of any length", async () => {
    const long = "nameWithoutAnySpace".repeat(5);
    const { client } = api;
    const { id: agent } = await client.beta.agents.create({ name: long, model: "simulated" });
    const { id: environment_id } = await client.beta.environments.create({
      name: long,
      config: { type: "cloud" },
    });
    const vault = await client.beta.vaults.create({ display_name: long });
    const session = await client.beta.sessions.create({ agent, environment_id, title: long });
    const { page } = await look(browser, api.url, "", { viewport: narrow });
    for (const [path, shows] of [
      [`agents/${agent}`, "Save as version"],
      [`environments/${environment_id}`, "The network reaches"],
      [`vaults/${vault.id}`, "This vault is empty"],
      [`sessions/${session.id}`, "Nothing has been said yet"],
      ["sessions/new", long],
      ["sessions", long],
    ] as const) {
      await page.goto(`${api.url}/console/${path}`);
      await page.getByText(shows).filter({ visible: true }).first().waitFor();
      assert.equal(await overflow(page), 0, path);
    }
    await page.context().close();
  });

  test("is reached from a narrow window by a menu, which says how much waits", async () => {
    const { page } = await look(browser, api.url, "", { viewport: narrow });
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("link", { name: "Home 2 wait for you" }).waitFor();
    await page.getByRole("link", { name: "Usage" }).click();
    await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
    await page.getByRole("link", { name: "Usage" }).waitFor({ state: "hidden" });
    assert.equal(await page.title(), "Usage · Drover");
    await page.context().close();
  });

  test("teaches where there is nothing yet", async () => {
    const empty = await startTestServer();
    try {
      const { page } = await look(browser, empty.url, "");
      for (const [path, words] of Object.entries({
        "": "Nothing waits",
        agents: "No agents yet",
        environments: "No environments yet",
        vaults: "No vaults yet",
        sessions: "No sessions here",
        usage: "Nothing was used",
      })) {
        await page.goto(`${empty.url}/console/${path}`);
        await page.getByText(words).first().waitFor();
      }
    } finally {
      await empty.close();
    }
  });

  test("wants a sign-in, and comes back to where one was going", async () => {
    const { page } = await openWindow(browser);
    await page.goto(`${api.url}/console/agents`);
    await page.getByLabel("API key").waitFor();
    assert.match(page.url(), /sign-in/);
    await page.goto(`${api.url}/console/sign-in?back=https://example.org/`);
    await page.getByLabel("API key").waitFor();
  });

  test("shows nothing of what was seen to whoever goes back after a sign-out, in any tab", async () => {
    const { name } = await api.client.beta.agents.create({ name: "Of before", model: "simulated" });
    const { page } = await look(browser, api.url, "agents");
    const other = await page.context().newPage();
    for (const each of [page, other]) {
      await each.goto(`${api.url}/console/agents`);
      await each.getByText(name).first().waitFor();
    }
    await page.evaluate(`sessionStorage.setItem("drover.draft.sesn_1", "{}")`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    assert.equal(await page.evaluate(`sessionStorage.getItem("drover.draft.sesn_1")`), null);
    // The other one hears of it as soon as it asks for anything.
    await other.getByRole("link", { name: "Sessions", exact: true }).click();
    await other.getByLabel("API key").waitFor();
    for (const each of [page, other]) {
      await each.route("**/v1/**", () => {});
      await each.goBack();
      await each.getByRole("link", { name: "Agents", exact: true }).waitFor();
      await each.getByRole("link", { name: "Agents", exact: true }).click();
      await each.getByRole("heading", { name: "Agents" }).waitFor();
      assert.equal(await each.getByText(name).count(), 0);
    }
  });
});
