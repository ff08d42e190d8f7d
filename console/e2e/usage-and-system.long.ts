import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { follow, isIdle, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { look, narrow, noBrowser, openBrowser, openWindow, signIn, wide } from "./browser.ts";

describe("the pages of the usage and of the system", { skip: noBrowser }, () => {
  let api: TestServer;
  let browser: Browser;
  before(async () => {
    api = await startTestServer();
    browser = await openBrowser();
    for (const cached of [0, 300]) {
      const facts = await prepare(api.client);
      const { id } = await newSession(api.client, facts);
      const following = await follow(api.client, id);
      await send(api.client, id, message(`usage in=100 out=20 cache_read=${cached} cache_5m=7\nsay hi`));
      await following.until(isIdle);
      following.close();
    }
    // The same for forty days, but for every other one.
    await api.db.query(
      {
        name: "test_usage_days",
        text: `insert into usage_hour select (json_populate_record(u, json_build_object('hour', u.hour - n * interval '2 days'))).*
          from usage_hour u, generate_series(1, 20) n`,
      },
      [],
    );
  });
  after(async () => {
    await browser?.close();
    await api?.close();
  });

  test("a chart is read by keyboard, in words, and as a table; a day without use is one of nothing", async () => {
    const { page, troubles } = await look(browser, api.url, "usage?measure=input&group=none");
    const chart = page.getByRole("slider", { name: /^Tokens in, not cached all together/ });
    await chart.focus();
    await page.keyboard.press("End");
    const now = () => chart.getAttribute("aria-valuetext");
    assert.match((await now()) ?? "", /: 200$/);
    await page.keyboard.press("ArrowLeft");
    assert.match((await now()) ?? "", /: nothing$/);
    await page.keyboard.press("Home");
    assert.match((await now()) ?? "", /: 200$/);
    await page.getByText("The chart as a table").click();
    const table = page.getByRole("table").first();
    const column = await table.locator("tbody td:nth-child(2)").allTextContents();
    assert.deepEqual(column, ["200", "0", "200", "0", "200", "0", "200"]);
    await page.getByLabel("What").selectOption("share");
    await page.getByRole("slider", { name: /^Share of the cache/ }).waitFor();
    assert.deepEqual(await table.locator("tbody td:nth-child(2)").allTextContents(), [
      "58%",
      "–",
      "58%",
      "–",
      "58%",
      "–",
      "58%",
    ]);
    assert.match(page.url(), /measure=share/);
    assert.deepEqual(troubles, []);
  });

  test("a longer time than one answer holds is whole, in the chart and in the table to download", async () => {
    const { page, troubles } = await look(browser, api.url, "usage?range=90d&group=none&measure=requests");
    await page.getByText("The chart as a table").click();
    const column = await page.getByRole("table").first().locator("tbody td:nth-child(2)").allTextContents();
    assert.equal(column.length, 90);
    assert.equal(
      column.reduce((sum, text) => sum + Number(text), 0),
      42,
    );
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "CSV" }).click();
    const download = await downloading;
    const [head, ...lines] = readFileSync(await download.path(), "utf8")
      .trim()
      .split(/\r?\n/);
    const place = head?.split(",").indexOf("model_requests") ?? -1;
    assert.ok(place > 0 && lines.every((line) => line !== head));
    assert.equal(
      lines.reduce((sum, line) => sum + Number(line.split(",")[place]), 0),
      42,
    );
    // An earlier time has an address, too.
    await page.getByRole("button", { name: "Earlier" }).click();
    await page.getByText("Nothing was used in this time").waitFor();
    assert.match(page.url(), /until=/);
    await page.reload();
    await page.getByText("Nothing was used in this time").waitFor();
    await page.getByRole("button", { name: "Later" }).click();
    await page.getByRole("slider").waitFor();
    assert.doesNotMatch(page.url(), /until=/);
    assert.deepEqual(troubles, []);
  });

  test("somewhere else on Earth it is said when a day of UTC begins", async () => {
    const context = await browser.newContext({ viewport: narrow, timezoneId: "Asia/Kolkata" });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    await signIn(page, api.url, "usage");
    await page.getByText(/Asia.(Kolkata|Calcutta), each begins at 05:30/).waitFor();
    await page.goto(`${api.url}/console/`);
    await page.getByText("since 05:30").waitFor();
    await context.close();
  });

  test("what has no list price is not said to be free, nor is less than a cent", async () => {
    for (const [model, nano, unpriced] of [
      ["unknown", 0, 3],
      ["in-part", 500_000_000, 2],
      ["cheap", 4_200_000, 0],
    ] as const)
      await api.db.query(
        {
          name: "test_unpriced",
          text: `insert into usage_hour select (json_populate_record(u, json_build_object('hour', date_trunc('hour', now()),
            'model', $1::text, 'nano', $2::bigint, 'unpriced', $3::bigint))).* from usage_hour u order by hour desc limit 1`,
        },
        [model, nano, unpriced],
      );
    const { page, troubles } = await look(browser, api.url, "usage?group=model");
    const costOf = (name: string) =>
      page.getByRole("table").last().getByRole("row").filter({ hasText: name }).getByRole("cell").nth(1);
    await costOf("unknown").getByText("no list price", { exact: true }).waitFor();
    await costOf("in-part").getByText("$0.50 and 2 without a price", { exact: true }).waitFor();
    await costOf("cheap").getByText("$0.0042", { exact: true }).waitFor();
    await page.getByText("5 uses of models that have no list price").waitFor();
    assert.deepEqual(troubles, []);
  });

  test("the system says how its parts are, and what to do; a host that ends is seen", async () => {
    const { page, troubles } = await look(browser, api.url, "system");
    const part = (name: string) =>
      page.getByRole("list", { name: "Parts" }).getByRole("listitem").filter({ hasText: name });
    await part("Database").getByText("well", { exact: false }).first().waitFor();
    // The tests run without one.
    await part("Egress").getByText("start drover egress").waitFor();
    await page.getByLabel("also what nobody has set").check();
    await page.getByLabel("Search the settings").fill("DROVER_PORT");
    await page.getByRole("cell", { name: "DROVER_PORT" }).waitFor();
    await api.hands.close();
    await part("Sandbox hosts").getByText("Look whether drover hands runs").waitFor();
    assert.deepEqual(troubles, []);
  });

  test("the system is told plainly to be another workspace's, and asked for once", async () => {
    const { page } = await openWindow(browser, { viewport: wide });
    let asked = 0;
    await page.route("**/v1/system", (route) => {
      asked++;
      return route.fulfill({
        status: 403,
        json: {
          type: "error",
          error: { type: "permission_error", message: "only keys of the administrator" },
        },
      });
    });
    await signIn(page, api.url, "system");
    await page.getByText("This is for who runs the server").waitFor();
    await page.clock.install();
    await page.clock.runFor(30_000);
    assert.ok(asked <= 2, `${asked}`);
  });
});
