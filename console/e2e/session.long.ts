import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { newSession, prepare } from "../../test/harness/session.ts";
import { composer, noBrowser, openWindow, overflow, say, signIn, transcript } from "./browser.ts";
import { setStage } from "./stage.ts";

/** What is answered by hand. */
const look = {
  type: "custom" as const,
  name: "look",
  description: "Looks.",
  input_schema: { type: "object" as const, properties: {} },
};

const note = (n: number) => ({
  type: "user.message" as const,
  content: [{ type: "text" as const, text: `say Note ${n}.` }],
});

describe("in the console", { skip: noBrowser }, () => {
  const stage = setStage();
  const inSession = async (policy: "always_allow" | "always_ask" = "always_allow", model = "simulated") => {
    const { id } = await newSession(stage.api.client, await prepare(stage.api.client, model, policy));
    const page = await stage.opened(`sessions/${id}`);
    await composer(page).waitFor();
    return { id, page };
  };
  const messages = async (id: string) =>
    (await Array.fromAsync(stage.api.client.beta.sessions.events.list(id))).filter(
      ({ type }) => type === "agent.message",
    );

  test("the first run comes to a first answer, by keys alone from the sign-in on", async () => {
    const page = stage.kept(await openWindow(stage.browser));
    await signIn(page, stage.api.url);
    await page.getByRole("link", { name: "Agents", exact: true }).first().click();
    await page.getByRole("link", { name: "New agent" }).first().click();
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("button", { name: "Try it" }).click();
    await composer(page).fill("say Good morning.");
    await page.keyboard.press("Enter");
    await transcript(page).getByText("Good morning.", { exact: true }).waitFor();
    await transcript(page).getByText("done ·").waitFor();
  });

  test("a wrong key is told, and nothing is let in", async () => {
    const page = stage.kept(await openWindow(stage.browser));
    await page.goto(`${stage.api.url}/console/sessions`);
    await page.getByLabel("API key").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    assert.equal(await page.getByRole("link", { name: "Sessions" }).count(), 0);
  });

  test("a call is approved, another denied with a reason, and two at once", async () => {
    const { page } = await inSession("always_ask");
    await say(page, "bash echo one > /tmp/one && cat /tmp/one");
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await transcript(page)
      .getByText(/^done · \d/)
      .first()
      .waitFor();
    await say(page, "bash echo two");
    await page.getByLabel("A message with the answer").fill("Not today.");
    await page.getByRole("button", { name: "Deny", exact: true }).click();
    await transcript(page)
      .getByText(/^failed/)
      .first()
      .waitFor();
    await say(page, "bash echo three\nbash echo four");
    await page.getByText("2 calls wait for your approval.").waitFor();
    await page.getByRole("button", { name: "Allow all" }).click();
    await transcript(page).getByText("done ·").nth(4).waitFor();
  });

  test("a call that is answered in one tab is in the other one, and of two answers one counts", async () => {
    const { page } = await inSession("always_ask");
    const second = await page.context().newPage();
    second.setDefaultTimeout(20_000);
    await second.goto(page.url());
    const allow = (tab: Page) => tab.getByRole("button", { name: "Allow", exact: true });
    await say(page, "bash echo one");
    await allow(second).waitFor();
    await allow(page).click();
    await allow(second).waitFor({ state: "hidden" });
    await transcript(second).getByText("done ·").first().waitFor();

    await say(page, "bash echo two > /tmp/two");
    await allow(second).waitFor();
    await allow(page).waitFor();
    // The second one says so before it can have heard of the first.
    let held = () => {};
    const isHeld = new Promise<void>((resolve) => {
      held = resolve;
    });
    await second.route("**/events/stream**", () => {});
    await second.route("**/events", async (route) => {
      await isHeld;
      await route.continue();
    });
    await second.getByRole("button", { name: "Deny", exact: true }).click();
    await allow(page).click();
    await transcript(page).getByText("done ·").nth(2).waitFor();
    held();
    await transcript(second)
      .getByText("Your answer came too late: somebody else has allowed this call")
      .waitFor();
  });

  test("two tabs answer at the same moment: one answer counts, and the other tab hears so", async () => {
    const { id, page } = await inSession("always_ask");
    await say(page, "bash echo one");
    const second = await page.context().newPage();
    second.setDefaultTimeout(20_000);
    await second.goto(page.url());
    const tabs = [page, second];
    for (const tab of tabs) await tab.getByRole("button", { name: "Allow", exact: true }).waitFor();
    // Each is held until both are on their way.
    const held: (() => Promise<void>)[] = [];
    for (const tab of tabs)
      await tab.route("**/events", async (route) => {
        held.push(() => route.continue());
        if (held.length === 2) await Promise.all(held.map((go) => go()));
      });
    await Promise.all([
      page.getByRole("button", { name: "Allow", exact: true }).click(),
      second.getByRole("button", { name: "Deny", exact: true }).click(),
    ]);
    for (const tab of tabs) await transcript(tab).getByText("done ·").last().waitFor();
    await Promise.any(tabs.map((tab) => transcript(tab).getByText("Your answer came too late").waitFor()));
    const events = await Array.fromAsync(stage.api.client.beta.sessions.events.list(id));
    assert.equal(events.filter(({ type }) => type === "user.tool_confirmation").length, 1);
  });

  test("words that go with an approval are a message that the agent reads behind the results", async () => {
    const { id, page } = await inSession("always_ask");
    await say(page, "bash echo one\nbash echo two");
    await page.getByLabel("A message with the answer to all of them").fill("say I have read it.");
    await page.getByRole("button", { name: "Allow all" }).click();
    await transcript(page).getByText("I have read it.", { exact: true }).waitFor();
    await transcript(page).getByText("done ·").nth(2).waitFor();
    const events = await Array.fromAsync(stage.api.client.beta.sessions.events.list(id));
    assert.equal(events.filter(({ type }) => type === "user.message").length, 2);
  });

  test("what is being written as an answer outlives being scrolled away, another view and a reload", async () => {
    const agent = await stage.api.client.beta.agents.create({
      name: "asker",
      model: "simulated",
      tools: [look],
    });
    const { environment_id } = await prepare(stage.api.client);
    const { id } = await newSession(stage.api.client, { agent_id: agent.id, environment_id });
    const page = await stage.opened(`sessions/${id}`);
    await composer(page).waitFor();
    await say(page, `say ${"A long story.".repeat(3_000)}`);
    await transcript(page).getByText("done ·").first().waitFor();
    for (let n = 0; n < 12; n++) await stage.api.client.beta.sessions.events.send(id, { events: [note(n)] });
    await say(page, "call look {}\nthen\nsay It is seen.");
    const answer = page.getByLabel("The result of the tool");
    await answer.fill("half an answ");
    await transcript(page).evaluate((log) => log.scrollTo(0, 0));
    await answer.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "To the newest" }).click();
    assert.equal(await answer.inputValue(), "half an answ");
    await page.getByRole("link", { name: "Events" }).click();
    await page.getByRole("link", { name: "Transcript" }).click();
    assert.equal(await answer.inputValue(), "half an answ");
    await page.reload();
    assert.equal(await answer.inputValue(), "half an answ");
    await answer.fill("");
    await page.getByRole("button", { name: "Answer", exact: true }).click();
    await transcript(page).getByText("It is seen.", { exact: true }).waitFor();
  });

  test("an answer that is broken off does not stay, and one that is tried again is said once", async () => {
    const { page } = await inSession();
    await say(page, "say Half of it.\nhang");
    await transcript(page).getByText("Half of it.", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Interrupt" }).click();
    await transcript(page).getByText("interrupted ·").waitFor();
    await transcript(page).getByText("Half of it.", { exact: true }).waitFor({ state: "detached" });
    await say(page, "say Once.\nwait 1s\nfail overloaded");
    await transcript(page).getByText("Once.", { exact: true }).waitFor();
    await transcript(page).getByText("done ·").nth(1).waitFor();
    assert.equal(await transcript(page).getByText("Once.", { exact: true }).count(), 1);
  });

  test("a budget that is spent is raised where one reads that it is, and the work goes on", async () => {
    const { agent_id, environment_id } = await prepare(stage.api.client);
    const { id } = await stage.api.client.beta.sessions.create({
      agent: agent_id,
      environment_id,
      budget: { type: "limit", max_list_cost: { amount: "50", currency: "USD" } },
    });
    const page = await stage.opened(`sessions/${id}`);
    await composer(page).waitFor();
    await say(page, "usage in=600000\nbash echo one\nthen\nsay It goes on.");
    await transcript(page).getByText("the budget is spent ·").waitFor();
    const spent = page.getByRole("region", { name: "The budget is spent" });
    await spent.getByText("It has cost $0.60 of $0.50").waitFor();
    const amount = spent.getByLabel("It may cost");
    assert.equal(await amount.inputValue(), "1.2");
    await amount.fill("0.55");
    await spent.getByRole("button", { name: "Raise the budget" }).click();
    await spent.getByText("must be greater than").waitFor();
    await amount.fill("2");
    await spent.getByRole("button", { name: "Raise the budget" }).click();
    await transcript(page).getByText("It goes on.", { exact: true }).waitFor();
    await spent.waitFor({ state: "hidden" });
    const { budget } = await stage.api.client.beta.sessions.retrieve(id);
    assert.equal(budget?.max_list_cost.amount, "200");
  });

  test("why a model has refused is said where it has", async () => {
    const { page } = await inSession();
    await say(page, "refuse cyber It <b>names</b> a way in.");
    await transcript(page).getByText("the model refused ·").waitFor();
    await transcript(page).getByText("cyber", { exact: true }).waitFor();
    await transcript(page).getByText("It <b>names</b> a way in.", { exact: true }).waitFor();
  });

  test("a session that is deleted elsewhere says so at once, and takes no more words", async () => {
    const { id, page } = await inSession();
    await say(page, "say The last words.");
    await transcript(page).getByText("done ·").waitFor();
    await stage.api.client.beta.sessions.delete(id);
    await transcript(page).getByText("the session was deleted ·").waitFor();
    await page.getByText("This session is over").waitFor();
    await transcript(page).getByText("The last words.", { exact: true }).waitFor();
  });

  test("a session at work is stopped when it is archived", async () => {
    const { id, page } = await inSession();
    await say(page, "hang");
    await page.getByRole("button", { name: "Interrupt" }).waitFor();
    await page.getByRole("button", { name: "Actions", exact: true }).click();
    await page.getByRole("menuitem", { name: "Archive" }).click();
    await page.getByText("What it does is stopped.").waitFor();
    await page.getByRole("button", { name: "Archive", exact: true }).click();
    await page.getByText("This session is over").waitFor();
    assert.ok((await stage.api.client.beta.sessions.retrieve(id)).archived_at);
  });

  test("what waits is at home, oldest first, and leads there", async () => {
    const { id, page } = await inSession("always_ask");
    await say(page, "bash echo one");
    await page.getByRole("button", { name: "Allow", exact: true }).waitFor();
    await page.getByRole("link", { name: "Home" }).click();
    await page.getByText("asks to call bash").first().waitFor();
    await page.locator(`a[href$="/sessions/${id}"]`).first().click();
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await transcript(page).getByText("done ·").first().waitFor();
  });

  test("an interrupt stops it, and a redirect has it do something else", async () => {
    const { page } = await inSession();
    await say(page, "say Now I wait.\nhang");
    await page.getByRole("button", { name: "Interrupt" }).click();
    await transcript(page).getByText("interrupted ·").waitFor();
    await page.getByRole("button", { name: "Interrupt" }).waitFor({ state: "hidden" });
    await say(page, "hang");
    await page.getByRole("button", { name: "Interrupt" }).waitFor();
    await composer(page).fill("say Something else.");
    await page.getByRole("button", { name: "Redirect" }).click();
    await transcript(page).getByText("Something else.", { exact: true }).waitFor();
  });

  test("a reload in the middle of an answer, and a second tab, show all of it once", async () => {
    const { id, page } = await inSession("always_allow", "simulated/60");
    const words = Array.from({ length: 60 }, (_, n) => `word${n}`).join(" ");
    await say(page, `say ${words}`);
    await transcript(page).getByText("word1 word2").nth(1).waitFor();
    assert.match(page.url(), /\/console\/sessions\//);
    await page.reload();
    const second = await page.context().newPage();
    await second.goto(page.url());
    for (const each of [page, second]) {
      await transcript(each).getByText("done ·").waitFor();
      assert.equal(await transcript(each).getByText(words).count(), 2, "the message and its answer");
    }
    assert.equal((await messages(id)).length, 1);
  });

  test("the network goes and comes back: nothing is missing, nothing twice", async () => {
    const { id, page } = await inSession();
    await say(page, "say Before.");
    await transcript(page).getByText("done ·").waitFor();
    await page.context().setOffline(true);
    await page.reload().catch(() => {});
    await page.context().setOffline(false);
    await page.goto(`${stage.api.url}/console/sessions/${id}`);
    await stage.api.client.beta.sessions.events.send(id, {
      events: [{ type: "user.message", content: [{ type: "text", text: "say Meanwhile." }] }],
    });
    await transcript(page).getByText("Meanwhile.", { exact: true }).waitFor();
    assert.equal(await transcript(page).getByText("Before.", { exact: true }).count(), 1);
  });

  test("what is folded and far away is found by keyboard, and shown", async () => {
    const { page } = await inSession();
    const lines = Array.from({ length: 60 }, (_, n) => `say Line ${n} of them.`);
    await say(page, `bash echo a-needle-in-a-haystack\nthen\n${lines.join("\nthen\n")}`);
    await transcript(page).getByText("done ·").nth(1).waitFor();
    await composer(page).press("Control+f");
    const search = page.getByLabel("Search the transcript");
    await search.waitFor();
    await page.locator("input[aria-label='Search the transcript']:focus").waitFor();
    await search.fill("needle");
    await page.getByText("2 of 2").waitFor();
    await transcript(page).locator("pre", { hasText: "echo a-needle" }).waitFor();
    assert.ok(await page.evaluate("CSS.highlights.get('found-now').size > 0"));
    await search.press("Enter");
    await page.getByText("1 of 2").waitFor();
    await search.fill("nowhere at all");
    await page.getByText(/^not in \d+ events$/).waitFor();
    await search.press("Escape");
    await page.getByRole("button", { name: "To the newest" }).click();
    await transcript(page).getByText("done ·").last().waitFor();
  });

  test("a session in which something hostile was said shows it as text", async () => {
    const { id, page } = await inSession();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const hostile = [
      "<script>alert(1)</script><img src=x onerror=alert(1)>",
      "[a link](javascript:alert(1)) [another](data:text/html,<script>alert(1)</script>) ![p](https://example.org/p.png)",
      "\u202egnirts\u0007 \u001b[31mred \u{e0041}\u3164",
      `[${"x".repeat(5_000)}](https://example.org/${"y".repeat(5_000)})`,
      "```html\n<iframe srcdoc='<script>alert(1)</script>'></iframe>\n```",
      "> ".repeat(4_000),
      "a_b_".repeat(5_000),
      `${"|a".repeat(1_000)}|\n${"|-".repeat(1_000)}|\n${"a\n".repeat(3_000)}a`,
      "y".repeat(40_000),
    ];
    await stage.api.client.beta.sessions.events.send(id, {
      events: [
        {
          type: "user.message",
          content: [
            {
              type: "text",
              text: hostile.map((line) => `say ${line.replaceAll("\n", "\nsay ")}`).join("\nthen\n"),
            },
          ],
        },
      ],
    });
    await transcript(page).getByText("done ·").waitFor();
    assert.equal(await transcript(page).locator("script, iframe, img").count(), 0);
    for (const href of await transcript(page)
      .locator("a")
      .evaluateAll((links) => links.map((link) => link.getAttribute("href"))))
      assert.match(href ?? "", /^https?:/);
    await transcript(page).evaluate((log) => log.scrollTo(0, 0));
    assert.ok((await transcript(page).getByText("⟨U+202E⟩").count()) > 0);
    assert.ok((await transcript(page).getByText("⟨U+E0041⟩⟨U+3164⟩").count()) > 0);
    assert.equal(await overflow(page), 0);
    assert.deepEqual(
      asked.filter((url) => !url.startsWith(stage.api.url)),
      [],
    );
  });

  test("outputs of five megabytes, of colours, of one line and of pictures stay bounded", async () => {
    const agent = await stage.api.client.beta.agents.create({
      name: "hostile tools",
      model: "simulated",
      tools: [look],
    });
    const environment = await stage.api.client.beta.environments.create({ name: "hostile tools" });
    const { id } = await stage.api.client.beta.sessions.create({
      agent: agent.id,
      environment_id: environment.id,
    });
    const page = await stage.opened(`sessions/${id}`);
    const deep = `${'{"a":'.repeat(200)}1${"}".repeat(200)}`;
    await say(page, `call look {"deep":${deep},"long":"${"z".repeat(30_000)}"}`);
    await page.getByLabel("The result of the tool").waitFor();
    const [call] = (await Array.fromAsync(stage.api.client.beta.sessions.events.list(id))).filter(
      ({ type }) => type === "agent.custom_tool_use",
    );
    const text = `\u001b[1;32mgreen\u001b[0m ${"0123456789".repeat(500_000)} the-end-of-it`;
    await stage.api.client.beta.sessions.events.send(id, {
      events: [
        {
          type: "user.custom_tool_result",
          custom_tool_use_id: call?.id ?? "",
          content: [
            { type: "text", text },
            { type: "image", source: { type: "url", url: "https://example.org/huge.png" } },
          ],
        },
      ],
    });
    await transcript(page).getByText("done ·").last().waitFor();
    await transcript(page).getByText("look", { exact: true }).click();
    await transcript(page).getByText("green 0123456789").waitFor();
    assert.equal(await transcript(page).getByText("⟨U+001B⟩").count(), 0);
    await transcript(page).getByText("4.7 MiB more").waitFor();
    assert.equal(await transcript(page).locator("img").count(), 0);
    assert.equal(await overflow(page), 0);
    // It is searched whole, and what is shown of it is where it was found.
    await page.keyboard.press("Control+f");
    await page.getByLabel("Search the transcript").fill("the-end-of-it");
    await transcript(page).getByText("the-end-of-it").waitFor();
    const length = await transcript(page).evaluate((log) => (log.textContent ?? "").length);
    assert.ok(length < 100_000, `${length} characters`);
  });
});
