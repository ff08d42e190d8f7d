import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { startCuttingProxy } from "../../test/harness/cutting-proxy.ts";
import { testKey } from "../../test/harness/headers.ts";
import { startTestServer } from "../../test/harness/server.ts";
import { noBrowser, openWindow, signIn } from "./browser.ts";
import { setStage } from "./stage.ts";

describe("who is signed in, and who is no more", { skip: noBrowser }, () => {
  const stage = setStage();
  const key = (page: Page) => page.getByLabel("API key");
  const enter = async (page: Page) => {
    await key(page).fill(testKey);
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  const signOut = (page: Page) => page.getByRole("button", { name: "Sign out" });
  const revoke = () =>
    stage.api.db.query({ name: "test_revoked", text: "update console_session set key_id = 'removed'" }, []);

  test("from every page one is asked to sign in, comes back to it, and goes back from there to where one was", async () => {
    for (const path of ["agents/new", "environments/new", "sessions/new?agent=agent_1", "usage?range=31d"]) {
      const page = stage.kept(await openWindow(stage.browser));
      await page.goto("about:blank");
      await page.goto(`${stage.api.url}/console/${path}`);
      await key(page).waitFor();
      assert.equal(await page.title(), "Sign in · Drover");
      assert.equal(await page.getByText("You are signed out").count(), 0, "nobody was signed in before");
      await enter(page);
      await page.getByRole("link", { name: "Drover" }).waitFor();
      assert.equal(page.url(), `${stage.api.url}/console/${path}`);
      await page.goBack();
      assert.equal(page.url(), "about:blank");
    }
  });

  test("without a network nobody is signed out, and hears so", async () => {
    const network = await startCuttingProxy(stage.api.url);
    try {
      const page = stage.kept(await openWindow(stage.browser));
      await signIn(page, network.url, "files");
      network.off();
      await signOut(page).click();
      await page.getByRole("alert").filter({ hasText: "You are still signed in" }).waitFor();
      network.on();
      await signOut(page).click();
      await key(page).waitFor();
      // Nothing of what was seen there is named any more.
      assert.equal(await page.title(), "Sign in · Drover");
      assert.doesNotMatch(page.url(), /back=/);
    } finally {
      await network.close();
    }
  });

  test("signed out in one tab one is signed out in the other, whatever is done there", async () => {
    const page = await stage.opened("skills");
    const other = await page.context().newPage();
    const errors: string[] = [];
    other.on("pageerror", (error) => errors.push(String(error)));
    await other.goto(`${stage.api.url}/console/files`);
    await signOut(other).waitFor();
    await signOut(page).click();
    await key(page).waitFor();
    await signOut(other).click();
    await key(other).waitFor();
    assert.deepEqual(errors, []);
  });

  test("whose key is none any more sees nothing of what they saw, and is told why", async () => {
    const page = await stage.opened("system");
    await page.getByRole("list", { name: "Parts" }).waitFor();
    await revoke();
    await page.getByText("You are signed out").waitFor();
    assert.equal(await page.getByRole("list", { name: "Parts" }).count(), 0);
    await enter(page);
    await page.getByRole("list", { name: "Parts" }).waitFor();
    assert.equal(page.url(), `${stage.api.url}/console/system`);
  });

  test("what was changed and not saved is there after signing in again, and is not lost by signing out unasked", async () => {
    const page = await stage.opened("agents/new");
    const name = page.getByLabel("Name", { exact: true });
    await name.fill("not saved yet");
    await revoke();
    const again = page.getByRole("dialog", { name: "You are signed out" });
    await key(page).waitFor();
    await enter(page);
    await again.waitFor({ state: "hidden" });
    assert.equal(await name.inputValue(), "not saved yet");
    assert.match(page.url(), /agents\/new$/);

    await signOut(page).click();
    await page.getByRole("button", { name: "Stay" }).click();
    assert.equal(await name.inputValue(), "not saved yet");
    assert.equal(
      await page.evaluate("fetch('/v1/pending_actions').then(({ status }) => status)"),
      200,
      "and they are signed in still",
    );
    await signOut(page).click();
    await page.getByRole("button", { name: "Sign out, and lose it" }).click();
    await key(page).waitFor();
    assert.equal(await again.count(), 0);
  });

  test("two servers at two ports of one host name are signed in to side by side", async () => {
    const other = await startTestServer();
    try {
      const page = await stage.opened("usage");
      const tab = await page.context().newPage();
      await signIn(tab, other.url, "usage");
      // It is an answer to who is signed in.
      const answer = page.getByText("Nothing was used in this time");
      await page.reload();
      await answer.waitFor();
      await signOut(tab).click();
      await key(tab).waitFor();
      await page.reload();
      await answer.waitFor();
      assert.equal(page.url(), `${stage.api.url}/console/usage`);
    } finally {
      await other.close();
    }
  });
});
