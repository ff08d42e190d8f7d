import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { testKey } from "../../test/harness/headers.ts";
import { follow, isIdle, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { composer, narrow, noBrowser, openWindow, transcript } from "./browser.ts";
import { setStage } from "./stage.ts";

/** What has the focus: its name as a screen reader says it, and whether it is seen to have it. */
interface Focused {
  name: string;
  seen: boolean;
}

const focused = (page: Page): Promise<Focused> =>
  page.evaluate(`(() => {
    const at = document.activeElement;
    if (!at || at === document.body) return { name: "", seen: true };
    if (at.id === "main") return { name: "the page", seen: true };
    const label = at.getAttribute("aria-label") ?? (at.id && document.querySelector('label[for="' + at.id + '"]')?.textContent)
      ?? at.closest("label")?.textContent;
    const name = (label || at.textContent || at.getAttribute("placeholder") || at.tagName).trim().replace(/\\s+/g, " ");
    const marked = [at, at.closest("label")].some((one) => one && getComputedStyle(one).outlineStyle !== "none");
    return { name: name.slice(0, 80), seen: marked };
  })()`);

/** Goes by Tab from where the focus is to what has this name; each stop on the way is one that is seen. */
async function tabTo(page: Page, name: string, key = "Tab"): Promise<string[]> {
  const passed: string[] = [];
  while (passed.length < 100) {
    await page.keyboard.press(key);
    const at = await focused(page);
    assert.ok(at.seen, `nobody sees that ${at.name} has the focus`);
    passed.push(at.name);
    if (at.name === name) return passed;
  }
  throw new Error(`${name} is not reached by ${key}: ${passed.join(", ")}`);
}

/** Waits until the focus is at what has this name. */
async function named(page: Page, name: string | RegExp): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const at = await focused(page);
    if (typeof name === "string" ? at.name === name : name.test(at.name)) return;
    assert.ok(Date.now() < deadline, `the focus is at ${at.name || "nothing"}, and not at ${name}`);
    await page.waitForTimeout(50);
  }
}

describe("by keyboard alone", { skip: noBrowser }, () => {
  const stage = setStage();
  let facts: Awaited<ReturnType<typeof prepare>>;
  let asking: Awaited<ReturnType<typeof prepare>>;
  before(async () => {
    facts = await prepare(stage.api.client);
    asking = await prepare(stage.api.client, "simulated", "always_ask");
  });

  async function waiting(commands: number) {
    const { id } = await newSession(stage.api.client, asking);
    const following = await follow(stage.api.client, id);
    const lines = Array.from({ length: commands }, (_, n) => `bash echo ${n + 1}`);
    await send(stage.api.client, id, message(lines.join("\n")));
    await following.until(isIdle);
    return { id, following };
  }

  test("one signs in, begins a session, and interrupts it", async () => {
    const window = await openWindow(stage.browser);
    const page = stage.kept(window);
    await page.goto(`${stage.api.url}/console/`);
    await page.getByLabel("API key").waitFor();
    await tabTo(page, "API key");
    await page.keyboard.type(testKey);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Drover" }).waitFor();
    await tabTo(page, "Sessions");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Sessions" }).waitFor();
    await tabTo(page, "New session");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "New session" }).waitFor();
    // The page has come, and one is in it.
    const passed = await tabTo(page, "What is to be done");
    assert.ok(!passed.includes("Skip to the content"), passed.join(", "));
    await page.keyboard.type("say I begin.\nhang");
    await tabTo(page, "Start");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Interrupt" }).waitFor();
    await tabTo(page, "Interrupt");
    await page.keyboard.press("Enter");
    await transcript(page).getByText("interrupted").waitFor();
    await page.getByRole("button", { name: "Interrupt" }).waitFor({ state: "detached" });
    await named(page, "Message to the agent");
    await page.keyboard.type("say And on.");
    await page.keyboard.press("Enter");
    await transcript(page)
      .getByRole("paragraph")
      .filter({ hasText: /^And on\.$/ })
      .waitFor();
    await named(page, "Message to the agent");
  });

  test("calls are allowed, and denied with a message, one after the other and all at once", async () => {
    const { id, following } = await waiting(2);
    const page = await stage.opened(`sessions/${id}`);
    await transcript(page).getByRole("button", { name: "Allow" }).first().waitFor();
    const passed = await tabTo(page, "Allow");
    assert.deepEqual(passed.slice(-3), ["A message with the answer", "Deny", "Allow"]);
    await page.keyboard.press("Enter");
    // One is where one was, and the next call is the next stop.
    await named(page, /^bash ?echo 1/);
    await tabTo(page, "A message with the answer");
    await page.keyboard.type("not that one");
    await tabTo(page, "Deny");
    await page.keyboard.press("Enter");
    await following.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
    await named(page, /^bash ?echo 2/);

    await send(stage.api.client, id, message("bash echo 3\nbash echo 4"));
    await page.getByRole("button", { name: "Deny all" }).waitFor();
    await tabTo(page, "A message with the answer to all of them");
    await page.keyboard.type("neither");
    await tabTo(page, "Deny all");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Deny all" }).waitFor({ state: "detached" });
    await named(page, "Transcript");
    const answers = (await stage.api.client.beta.sessions.events.list(id, { limit: 1000 })).data.filter(
      (event) => event.type === "user.tool_confirmation",
    );
    assert.deepEqual(
      answers.map(({ result, deny_message }) => deny_message ?? result),
      ["allow", "not that one", "neither", "neither"],
    );
    following.close();
  });

  test("of what waits at home one goes on to the next, and leaves a message that is not to be", async () => {
    const { following } = await waiting(2);
    const page = await stage.opened("");
    await page.getByRole("button", { name: "Allow" }).nth(1).waitFor();
    await tabTo(page, "Deny…");
    await page.keyboard.press("Enter");
    await named(page, "Why it is denied");
    await page.keyboard.press("Escape");
    await named(page, "Deny…");
    await tabTo(page, "Allow");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Allow" }).nth(1).waitFor({ state: "detached" });
    assert.notEqual((await focused(page)).name, "");
    await tabTo(page, "Allow");
    await page.keyboard.press("Enter");
    await following.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
    await page.getByText("Nothing waits").waitFor();
    assert.notEqual((await focused(page)).name, "");
    following.close();
  });

  test("an event is chosen, left and forked from; a menu and its dialog give the focus back", async () => {
    const { id } = await newSession(stage.api.client, facts);
    const following = await follow(stage.api.client, id);
    await send(stage.api.client, id, message("say One."));
    await following.until(isIdle);
    following.close();
    const page = await stage.opened(`sessions/${id}?tab=events`);
    await page.locator('[role="option"]', { hasText: "agent.message" }).waitFor();
    await tabTo(page, "Actions");
    await page.keyboard.press("Enter");
    await named(page, "Fork");
    await page.keyboard.press("End");
    await named(page, "Archive");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await named(page, "Keep it");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await named(page, "Actions");
    // The view of that name, and the list in it.
    await tabTo(page, "Events");
    await tabTo(page, "Events");
    await page.keyboard.press("End");
    await page.getByRole("region", { name: "The chosen event" }).waitFor();
    await tabTo(page, "Close the event");
    await page.keyboard.press("Enter");
    await named(page, "Events");
    await page.keyboard.press("End");
    await tabTo(page, "Fork from here");
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => !url.pathname.endsWith(id));
    await composer(page).waitFor();
    await named(page, "the page");
  });

  test("an agent is edited, a file uploaded and deleted, figures exported", async () => {
    const page = await stage.opened(`agents/${facts.agent_id}`);
    await page.getByRole("button", { name: /Save as version/ }).waitFor();
    await tabTo(page, "System prompt");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("Be brief.");
    await tabTo(page, "Save as version 2");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Save as version 3" }).waitFor();
    await page.goto(`${stage.api.url}/console/files`);
    await page.getByText("Drop files here").waitFor();
    // Asked for before the way there: a key is faster than what this sets up in the browser.
    const chooser = page.waitForEvent("filechooser");
    await tabTo(page, "Choose files: Drop files here");
    await page.keyboard.press("Space");
    await (await chooser).setFiles([
      { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") },
      { name: "b.txt", mimeType: "text/plain", buffer: Buffer.from("b") },
    ]);
    await page.getByRole("row", { name: /a\.txt/ }).waitFor();
    await page.getByRole("row", { name: /b\.txt/ }).waitFor();
    await tabTo(page, "Delete a.txt");
    await page.keyboard.press("Enter");
    await named(page, "Delete it");
    await page.keyboard.press("Escape");
    await named(page, "Delete a.txt");
    await page.keyboard.press("Enter");
    await named(page, "Delete it");
    await page.keyboard.press("Enter");
    await page.getByRole("row", { name: /a\.txt/ }).waitFor({ state: "detached" });
    await named(page, /^file_/);

    await page.goto(`${stage.api.url}/console/usage`);
    await page.getByRole("button", { name: "CSV" }).waitFor();
    const download = page.waitForEvent("download");
    await tabTo(page, "CSV");
    await page.keyboard.press("Enter");
    assert.match((await download).suggestedFilename(), /\.csv$/);
    await named(page, "CSV");
  });

  test("a narrow window's menu is opened, left by Escape, and leads into the page", async () => {
    const page = await stage.opened("", { viewport: narrow });
    await tabTo(page, "Menu");
    await page.keyboard.press("Enter");
    await tabTo(page, "Agents");
    await page.keyboard.press("Escape");
    await named(page, "Menu");
    await page.getByRole("link", { name: "Agents" }).waitFor({ state: "hidden" });
    await page.keyboard.press("Enter");
    await tabTo(page, "Agents");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Agents" }).waitFor();
    await named(page, "the page");
  });
});
