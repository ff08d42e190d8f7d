import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { type Look, look, openBrowser } from "./browser.ts";

/** What the tests of a suite have in common. */
export interface Stage {
  readonly api: TestServer;
  readonly browser: Browser;
  /** A window that has signed in and shows this page. */
  opened(path: string, options?: Parameters<typeof look>[3]): Promise<Page>;
  /** Another window that is closed after the test; nothing may have gone wrong in it by then. */
  kept(look: Look): Page;
}

/** Sets up a server and a browser for the suite that calls it. */
export function setStage(): Stage {
  let api: TestServer;
  let browser: Browser;
  const looks: Look[] = [];
  before(async () => {
    api = await startTestServer();
    browser = await openBrowser();
  });
  afterEach(async () => {
    for (const { page, troubles } of looks.splice(0)) {
      assert.deepEqual(troubles, []);
      await page.context().close();
    }
  });
  after(async () => {
    await browser?.close();
    await api?.close();
  });
  const kept = (look: Look) => {
    looks.push(look);
    return look.page;
  };
  return {
    get api() {
      return api;
    },
    get browser() {
      return browser;
    },
    opened: async (path, options) => kept(await look(browser, api.url, path, options)),
    kept,
  };
}
