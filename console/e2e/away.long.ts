import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { startCuttingProxy } from "../../test/harness/cutting-proxy.ts";
import { noBrowser, openWindow, signIn } from "./browser.ts";
import { setStage } from "./stage.ts";

describe("pages while nothing can be had", { skip: noBrowser }, () => {
  const stage = setStage();
  const before = (page: Page) => page.getByRole("status").filter({ hasText: "is from before" });

  test("a server that is away is told once, on every page, and what is there stays", async () => {
    const network = await startCuttingProxy(stage.api.url);
    try {
      for (const [path, there] of [
        ["", "Nothing runs"],
        ["sessions", "No sessions here"],
        ["files", "Choose files"],
      ] as const) {
        const page = stage.kept(await openWindow(stage.browser));
        await signIn(page, network.url, path);
        await page.getByText(there).first().waitFor();
        network.off();
        await before(page).filter({ hasText: "The server cannot be reached." }).waitFor();
        assert.equal(await page.getByText("cannot be reached").count(), 1, path);
        assert.ok(await page.getByText(there).first().isVisible());
        network.on();
        await before(page).waitFor({ state: "detached" });
      }
    } finally {
      await network.close();
    }
  });

  test("a page that cannot be loaded says so, and comes by itself once it can", async () => {
    const network = await startCuttingProxy(stage.api.url);
    try {
      const { page } = await openWindow(stage.browser);
      await signIn(page, network.url);
      await page.getByText("Nothing runs").waitFor();
      network.off();
      await page.getByRole("link", { name: "Environments" }).click();
      await page.getByRole("alert").filter({ hasText: "The server cannot be reached." }).waitFor();
      // The rest of the console is still there.
      assert.ok(await page.getByRole("link", { name: "Sessions" }).isVisible());
      network.on();
      await page.getByText("No environments yet").waitFor();
      await page.context().close();
    } finally {
      await network.close();
    }
  });

  test("a database that is away is named on the page of the system, and what was well is not said to be", async () => {
    const page = await stage.opened("system");
    const part = (name: string) =>
      page.getByRole("list", { name: "Parts" }).getByRole("listitem").filter({ hasText: name });
    await part("Queue").getByText("well", { exact: false }).first().waitFor();
    const message = "the database is away for the moment; try again";
    await page.route("**/v1/**", (route) =>
      route.fulfill({
        status: 503,
        json: { type: "error", error: { type: "api_error", message } },
      }),
    );
    await part("Database").getByText("does not answer").waitFor();
    await part("Queue").getByText("before: well").waitFor();
    assert.equal(await part("Database").count(), 1);
    await before(page).filter({ hasText: message }).waitFor();
    // Nor does a page that is opened only now know more.
    await page.reload();
    await part("Database").getByText("drover doctor").waitFor();
    await page.unroute("**/v1/**");
    await part("Queue").getByText("no session waits").waitFor();
    await before(page).waitFor({ state: "detached" });
  });

  test("what is not known yet is not said to be nought", async () => {
    const page = await stage.opened("files");
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    await page.route("**/v1/usage*", async (route) => {
      await answered;
      await route.continue();
    });
    await page.getByRole("link", { name: "Home" }).click();
    const today = page.getByRole("region", { name: "Today" });
    await today.getByText("…").first().waitFor();
    assert.doesNotMatch((await today.getByRole("definition").first().textContent()) ?? "", /\d/);
    answer();
    await today.getByText("$0.00").waitFor();
  });
});
