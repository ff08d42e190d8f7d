import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { follow, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { look, noBrowser, openBrowser, say, transcript } from "./browser.ts";

const events = 10_000;
const perRequest = 1_000;

describe(`a session of ${events} events`, { skip: noBrowser }, () => {
  let api: TestServer;
  let browser: Browser;
  let id: string;
  before(async () => {
    api = await startTestServer();
    browser = await openBrowser();
    ({ id } = await newSession(api.client, await prepare(api.client)));
    for (let n = 0; n < events; n += perRequest) {
      const following = await follow(api.client, id);
      const messages = Array.from({ length: perRequest }, (_, i) => message(`note ${n + i} of many`));
      await send(api.client, id, ...messages);
      await following.until(({ type }) => type === "session.status_idle");
      following.close();
    }
  });
  after(async () => {
    await browser?.close();
    await api?.close();
  });

  test("is whole, of which the page holds what is in sight", async () => {
    const { page, troubles } = await look(browser, api.url, `sessions/${id}`);
    await transcript(page)
      .getByText(`note ${events - 1} of many`)
      .first()
      .waitFor();
    const elements = () => page.evaluate<number>("document.querySelectorAll('*').length");
    assert.ok((await elements()) < 1_500, `${await elements()} elements`);
    await transcript(page).evaluate((log) => log.scrollTo(0, 0));
    await transcript(page).getByText("note 0 of many").waitFor();
    await say(page, "say The newest of all.");
    await page.getByRole("button", { name: "To the newest" }).click();
    await transcript(page).getByText("The newest of all.", { exact: true }).waitFor();

    await page.getByRole("link", { name: "Events" }).click();
    await page.getByLabel("Search the events").fill("note 7777 of many");
    await page.getByText(/^[1-9] of [\d,]+$/).waitFor();
    await page.getByLabel("Of which type").selectOption("user.message");
    await page.getByRole("option", { name: "user.message note 7777" }).click();
    await page.getByLabel("The chosen event").getByText("note 7777 of many").waitFor();
    assert.ok((await elements()) < 1_500, `${await elements()} elements`);

    await page.getByRole("link", { name: "Transcript" }).click();
    await transcript(page)
      .getByText(`note ${events - 1} of many`)
      .first()
      .waitFor();
    await transcript(page).press("/");
    const search = page.getByLabel("Search the transcript");
    await search.fill("NOTE 4321 of");
    await transcript(page).getByText("note 4321 of many").first().waitFor();
    await page.getByText(/^\d of \d$/).waitFor();
    await search.fill("of many");
    await page.getByText(/^10,\d{3} of 10,\d{3}$/).waitFor();
    await search.press("Enter");
    await page.getByText(/^1 of 10,\d{3}$/).waitFor();
    await transcript(page).getByText("note 0 of many").first().waitFor();
    await search.press("Escape");
    await search.waitFor({ state: "hidden" });
    assert.ok((await elements()) < 1_500, `${await elements()} elements`);
    assert.deepEqual(troubles, []);
  });
});
