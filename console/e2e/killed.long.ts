import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { freePort } from "../../test/harness/free-port.ts";
import { type Processes, startProcesses } from "../../test/harness/processes.ts";
import { newSession, prepare } from "../../test/harness/session.ts";
import { look, noBrowser, openBrowser, say, transcript } from "./browser.ts";

describe("a server that is killed while it streams to the console", { skip: noBrowser }, () => {
  let processes: Processes;
  let browser: Browser;
  before(async () => {
    processes = await startProcesses();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await processes?.close();
  });

  test("is back, and the page goes on: nothing is missing, nothing twice", async () => {
    const port = await freePort();
    await processes.egress();
    await processes.hands();
    const first = await processes.serve(port);
    const { id } = await newSession(first.client, await prepare(first.client, "simulated/100"));
    const { page, troubles } = await look(browser, first.url, `sessions/${id}`);
    const words = Array.from({ length: 80 }, (_, n) => `word${n}`).join(" ");
    await say(page, `say ${words}\nbash echo from-the-sandbox\nthen\nsay The end.`);
    await transcript(page).getByText("word1 word2").nth(1).waitFor();
    await first.kill();
    await page.getByText("The connection to the server is lost").waitFor();
    await processes.serve(port);
    await page.getByText("The connection to the server is lost").waitFor({ state: "hidden" });
    await transcript(page).getByText("done ·").last().waitFor();
    await transcript(page).getByText("The end.", { exact: true }).waitFor({ timeout: 60_000 });
    assert.equal(await transcript(page).getByText(words).count(), 2, "the message and its answer");
    assert.equal(await transcript(page).getByText("The end.", { exact: true }).count(), 1);
    assert.deepEqual(troubles, []);
  });
});
