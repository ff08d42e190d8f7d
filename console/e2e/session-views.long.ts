import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { toFile } from "@anthropic-ai/sdk";
import type { Browser, Page } from "playwright-core";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { prepare } from "../../test/harness/session.ts";
import { findings } from "./axe.ts";
import {
  composer,
  look,
  narrow,
  noBrowser,
  openBrowser,
  overflow,
  say,
  transcript,
  wide,
} from "./browser.ts";
import { type Furnished, furnish } from "./furnish.ts";

describe("the views of a session", { skip: noBrowser }, () => {
  let api: TestServer;
  let browser: Browser;
  let all: Furnished;
  let budgeted: string;
  before(async () => {
    api = await startTestServer();
    browser = await openBrowser();
    all = await furnish(api.client);
    const { agent_id, environment_id } = await prepare(api.client);
    ({ id: budgeted } = await api.client.beta.sessions.create({
      agent: agent_id,
      environment_id,
      budget: { type: "limit", max_list_cost: { amount: "500", currency: "USD" } },
    }));
  });
  after(async () => {
    await browser?.close();
    await api?.close();
  });

  /** Everything that can be opened in a session, one after another. */
  const views: Record<string, (page: Page, url: string) => Promise<void>> = {
    async "an open call and a search"(page, url) {
      await page.goto(`${url}/sessions/${all.session_id}`);
      await transcript(page).locator("summary", { hasText: "ls /nowhere" }).click();
      await page.keyboard.press("Control+f");
      await page.getByLabel("Search the transcript").fill("squares");
      await page.getByText(/^\d of \d$/).waitFor();
    },
    async "calls that wait"(page, url) {
      await page.goto(`${url}/sessions/${all.waiting_id}`);
      await page.getByRole("button", { name: "Deny all" }).waitFor();
    },
    async "an attached file"(page, url) {
      await page.goto(`${url}/sessions/${budgeted}`);
      await page
        .locator("input[type=file]")
        .setInputFiles([{ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Notes.") }]);
      await page.getByRole("button", { name: "Remove notes.txt" }).waitFor();
    },
    async "the timeline"(page, url) {
      await page.goto(`${url}/sessions/${all.session_id}?tab=timeline`);
      await page.getByText("model request").first().waitFor();
    },
    async "a chosen event"(page, url) {
      await page.goto(`${url}/sessions/${all.session_id}?tab=events`);
      await page.getByRole("listbox", { name: "Events" }).getByRole("option").first().click();
      await page.getByRole("listbox", { name: "Events" }).press("ArrowDown");
      await page.getByLabel("The chosen event").waitFor();
    },
    async "the threads"(page, url) {
      await page.goto(`${url}/sessions/${all.session_id}?tab=threads`);
      await page.getByText("One agent works in this session").waitFor();
    },
    async "a thread"(page, url) {
      await page.goto(`${url}/sessions/${all.session_id}?tab=threads`);
      await page.getByRole("link", { name: "Analyst" }).click();
      await transcript(page).getByText("Here is what I found").first().waitFor();
    },
    async "a file"(page, url) {
      await page.goto(`${url}/sessions/${all.session_id}?tab=files`);
      await page.getByRole("button", { name: "Look" }).click();
      await page.getByText("5,25").waitFor();
    },
    async "the details"(page, url) {
      await page.goto(`${url}/sessions/${all.session_id}?tab=details`);
      await page.getByText("may reach").waitFor();
    },
    async "the menu"(page, url) {
      await page.goto(`${url}/sessions/${budgeted}`);
      await page.getByRole("button", { name: "Actions", exact: true }).click();
      await page.getByRole("menuitem", { name: "Archive" }).waitFor();
    },
    async "the budget"(page, url) {
      await page.goto(`${url}/sessions/${budgeted}`);
      await page.getByRole("button", { name: "Actions", exact: true }).click();
      await page.getByRole("menuitem", { name: "Change the budget" }).click();
      await page.getByLabel("It may cost").waitFor();
    },
    async "the question whether to archive"(page, url) {
      await page.goto(`${url}/sessions/${budgeted}`);
      await page.getByRole("button", { name: "Actions", exact: true }).click();
      await page.getByRole("menuitem", { name: "Archive" }).click();
      await page.getByRole("button", { name: "Keep it" }).waitFor();
    },
    async "a new session"(page, url) {
      await page.goto(`${url}/sessions/new`);
      await page.getByLabel("Alice").waitFor();
    },
  };

  for (const [width, viewport] of Object.entries({ wide, narrow }))
    for (const colorScheme of ["light", "dark"] as const)
      test(`have no serious fault, ${width} and ${colorScheme}`, async () => {
        const { page, troubles } = await look(browser, api.url, "", { viewport, colorScheme });
        const found: string[] = [];
        for (const [name, open] of Object.entries(views)) {
          await open(page, `${api.url}/console`);
          found.push(...(await findings(page)).map((finding) => `${name}: ${finding}`));
          assert.equal(await overflow(page), 0, name);
          if (process.env.PICTURES)
            await page.screenshot({ path: `${process.env.PICTURES}/${name}-${width}-${colorScheme}.png` });
        }
        assert.deepEqual(found, []);
        assert.deepEqual(troubles, []);
        await page.context().close();
      });

  test("a session is begun with an agent, an environment, a vault, a file and a task", async () => {
    const { page, troubles } = await look(browser, api.url, "sessions");
    await page.getByRole("link", { name: "New session" }).click();
    await page.getByLabel("What is to be done").fill("bash cat /mnt/session/uploads/*\nthen\necho");
    await page.getByLabel("Title").fill("From a file");
    await page.getByLabel("Alice").check();
    await page.getByLabel("Budget").fill("2.50");
    await page
      .getByLabel("Drop files here")
      .setInputFiles([
        { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("What the file says.") },
      ]);
    await page.getByRole("button", { name: "Leave notes.txt out" }).waitFor();
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("heading", { name: "From a file" }).waitFor();
    await transcript(page).getByText("What the file says.").last().waitFor();
    const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
    const session = await api.client.beta.sessions.retrieve(id);
    assert.deepEqual(session.vault_ids, [all.vault_id]);
    assert.equal(session.budget?.max_list_cost.amount, "250");
    assert.equal(session.resources.length, 1);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("where the time went leads to the longest call, and the events are downloaded as the API has them", async () => {
    const { page, troubles } = await look(browser, api.url, `sessions/${all.session_id}?tab=details`);
    const row = page.getByRole("row").filter({ has: page.getByRole("cell", { name: "bash", exact: true }) });
    await row.getByRole("link").last().click();
    await page.getByLabel("The chosen event").getByText("agent.tool_use").first().waitFor();

    const wanted: unknown[] = [];
    for await (const event of api.client.beta.sessions.events.list(all.session_id)) wanted.push(event);
    const downloaded = async () => {
      const downloading = page.waitForEvent("download");
      await page.getByRole("button", { name: "Download" }).click();
      const download = await downloading;
      assert.equal(download.suggestedFilename(), `${all.session_id}.jsonl`);
      const lines = readFileSync(await download.path(), "utf8")
        .trim()
        .split("\n");
      return lines.map((line) => JSON.parse(line));
    };
    assert.deepEqual(await downloaded(), wanted);
    await page.getByLabel("Of which type").selectOption("agent.tool_use");
    const uses = await downloaded();
    assert.ok(uses.length > 0 && uses.every(({ type }) => type === "agent.tool_use"));
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("a text is attached to a message, what no model is shown is put into the sandbox, and what is refused is said", async () => {
    const { page } = await look(browser, api.url, `sessions/${budgeted}`);
    const files = page.locator("input[type=file]");
    await files.setInputFiles([
      { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Attached words.") },
      { name: "tool.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 1, 2]) },
    ]);
    await page.getByText(/lies at \/mnt\/session\/uploads\/.* in the sandbox/).waitFor();
    await page.getByRole("button", { name: "Remove notes.txt" }).waitFor();
    await say(page, "say I have it.");
    await transcript(page).getByText("document · notes.txt").waitFor();
    await transcript(page).getByText("I have it.", { exact: true }).waitFor();
    await files.setInputFiles([
      { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("This is no picture.") },
    ]);
    await page.getByRole("button", { name: "Remove broken.png" }).waitFor();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByRole("button", { name: "Remove broken.png" }).click();
    await composer(page).fill("say Without it.");
    await composer(page).press("Enter");
    await transcript(page).getByText("Without it.", { exact: true }).waitFor();
    await page.context().close();
  });

  test("files are looked at as what they hold, whatever they are called, and nothing of them is run", async () => {
    const { agent_id, environment_id } = await prepare(api.client);
    const attached = await api.client.beta.files.upload({
      file: await toFile(Buffer.from("a,b\n"), "figures of May.csv"),
    });
    const { id } = await api.client.beta.sessions.create({
      agent: agent_id,
      environment_id,
      resources: [{ type: "file", file_id: attached.id }],
    });
    const { page, troubles } = await look(browser, api.url, `sessions/${id}`);
    await composer(page).waitFor();
    await say(
      page,
      [
        "bash cd /mnt/session/outputs",
        "printf '<script>alert(1)</script>' > page.html",
        `printf '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>' > drawing.svg`,
        "printf '\\377\\376h\\000i\\000' > wide.csv",
        "printf '\\000\\001\\377' > binary.txt",
        ": > empty.txt",
        ": > empty.png",
        "printf 'no picture' > fake.png",
        "printf 'all: build' > Makefile",
        "printf '%%PDF-1.4' > paper.pdf",
      ].join(" && "),
    );
    await transcript(page).getByText("done ·").nth(1).waitFor();
    await page.getByRole("link", { name: "Files" }).last().click();
    const shown = {
      "page.html": "<script>alert(1)</script>",
      "drawing.svg": "<svg xmlns=",
      "wide.csv": "hi",
      "binary.txt": "It holds no text",
      "empty.txt": "It is empty.",
      "empty.png": "It is empty.",
      "fake.png": "or does not say how large it is",
      Makefile: "all: build",
    };
    for (const [name, text] of Object.entries(shown)) {
      await page.getByRole("row", { name }).getByRole("button", { name: "Look" }).click();
      await page.getByRole("dialog").getByText(text).waitFor();
      assert.equal(await page.getByRole("dialog").locator("img, svg, iframe").count(), 0);
      await page.keyboard.press("Escape");
    }
    const paper = page.getByRole("row", { name: "paper.pdf" });
    assert.equal(await paper.getByRole("button", { name: "Look" }).count(), 0);
    const download = page.waitForEvent("download");
    await paper.getByRole("link", { name: "Download" }).click();
    assert.equal((await download).suggestedFilename(), "paper.pdf");
    await page.getByRole("link", { name: "Details" }).click();
    await page.getByText("figures of May.csv").waitFor();
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("what is typed at once after the key that searches is searched for, letter by letter", async () => {
    const { agent_id, environment_id } = await prepare(api.client);
    const { id } = await api.client.beta.sessions.create({ agent: agent_id, environment_id });
    const { page } = await look(browser, api.url, `sessions/${id}`);
    await say(page, "say numbers");
    await transcript(page).getByText("done ·").waitFor();
    await transcript(page).press("/");
    await page.keyboard.type("numbers");
    await page.getByText("2 of 2").waitFor();
    assert.equal(await page.getByLabel("Search the transcript").inputValue(), "numbers");
    await page.context().close();
  });

  test("a reader of screens is told what was said, once it is whole", async () => {
    const { agent_id, environment_id } = await prepare(api.client, "simulated/200");
    const { id } = await api.client.beta.sessions.create({ agent: agent_id, environment_id });
    const { page } = await look(browser, api.url, `sessions/${id}`);
    await say(page, "say First.");
    await transcript(page).getByText("done ·").waitFor();
    // By now what was there before is known from what is new.
    await page.waitForTimeout(1_500);
    await page.evaluate(`
      window.told = [];
      for (const region of document.querySelectorAll("[aria-live=polite]"))
        new MutationObserver(() => window.told.push(region.textContent)).observe(region, {
          childList: true, characterData: true, subtree: true,
        });
    `);
    await say(page, "say This is told when all of it is there.");
    await transcript(page).getByText("done ·").nth(1).waitFor();
    // Asked from here: a page that looks by itself evaluates a text, which its security policy refuses.
    let told: string[] = [];
    for (const until = Date.now() + 20_000; told.length === 0 && Date.now() < until; )
      told = await page.evaluate<string[]>("window.told");
    assert.match(told.join(" "), /This is told when all of it is there\./);
    assert.ok(told.length <= 4, told.join("\n"));
    await page.context().close();
  });
});
