import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { type GitServer, startGitServer } from "../../test/fakes/git-server.ts";
import { startTestServer, type TestServer } from "../../test/harness/server.ts";
import { prepare } from "../../test/harness/session.ts";
import { findings } from "./axe.ts";
import { look, narrow, noBrowser, openBrowser, overflow, transcript } from "./browser.ts";

const token = "ghp_0123456789abcdefghij";

/** A session is begun in the console with all that it is to have, and with what it says. */
describe("a new session", { skip: noBrowser }, () => {
  let git: GitServer;
  let api: TestServer;
  let browser: Browser;
  before(async () => {
    git = await startGitServer();
    api = await startTestServer({ repository_hosts: [{ url: git.url, private_network: true }] });
    browser = await openBrowser();
    await prepare(api.client);
  });
  after(async () => {
    await browser?.close();
    await api?.close();
    await git?.close();
  });

  test("is given a private repository at a branch, with a token that is shown nowhere", async () => {
    git.create("acme/secret", { "README.md": "the main one" }, (run) => {
      run("checkout", "-q", "-b", "release");
    });
    git.protect("acme/secret", token);
    const { page, troubles } = await look(browser, api.url, "sessions/new");
    const answers: string[] = [];
    page.on("response", async (response) => {
      if (response.url().includes("/v1/")) answers.push(await response.text().catch(() => ""));
    });
    await page.getByLabel("What is to be done").fill("bash cat /workspace/secret/README.md\nthen\necho");
    await page.getByRole("button", { name: "Add a repository" }).click();
    await page.getByLabel("Address of repository 1").fill("https://elsewhere.example/acme/secret");
    await page.getByLabel("Branch or commit of repository 1").fill("release");
    const secret = page.getByLabel("Token of repository 1");
    await secret.fill(token);
    assert.equal(await secret.getAttribute("type"), "password");
    assert.equal(await secret.getAttribute("autocomplete"), "new-password");
    assert.deepEqual(await findings(page), []);
    await page.getByRole("button", { name: "Add a repository" }).click();
    await page.getByRole("button", { name: "Start" }).click();
    await page
      .getByRole("alert")
      .getByText(/resources\.0\.url/)
      .waitFor();
    await page.getByLabel("Address of repository 1").fill(`${git.url}/acme/secret`);
    await page.getByRole("button", { name: "Start" }).click();
    await transcript(page).getByText("the main one").last().waitFor({ timeout: 120_000 });
    const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
    const { resources } = await api.client.beta.sessions.retrieve(id);
    assert.deepEqual(
      resources.map((resource) => resource.type === "github_repository" && resource.checkout),
      [{ type: "branch", name: "release" }],
    );
    const stored = await page.evaluate(
      "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state])",
    );
    assert.ok(![await page.content(), String(stored), page.url(), ...answers].join("\n").includes(token));
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("waits for the files that are on their way, and is not left by a click", async () => {
    const { page, troubles } = await look(browser, api.url, "sessions/new");
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    await page.route("**/v1/files", async (route) => {
      await held;
      await route.continue();
    });
    await page
      .getByLabel("Drop files here")
      .setInputFiles([{ name: "slow.txt", mimeType: "text/plain", buffer: Buffer.from("It came.") }]);
    await page.getByText("It can be started once its files are here.").waitFor();
    assert.ok(await page.getByRole("button", { name: "Start" }).isDisabled());
    await page.getByRole("link", { name: "Vaults" }).click();
    await page.getByText("What is not uploaded yet would be stopped.").waitFor();
    await page.getByRole("button", { name: "Stay" }).click();
    go();
    await page.getByRole("button", { name: "Leave slow.txt out" }).waitFor();
    await page.getByLabel("What is to be done").fill("bash cat /mnt/session/uploads/*\nthen\necho");
    await page.getByRole("link", { name: "Vaults" }).click();
    await page.getByText("What you have written here would be lost.").waitFor();
    assert.deepEqual(await findings(page), []);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Start" }).click();
    await transcript(page).getByText("It came.").last().waitFor({ timeout: 120_000 });
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("is of the agent that is shown, also where the one of the link is archived", async () => {
    const [old, other] = [
      await api.client.beta.agents.create({ name: "Old", model: "simulated" }),
      await api.client.beta.agents.create({ name: "Other", model: "simulated" }),
    ];
    await api.client.beta.agents.archive(old.id);
    const { page, troubles } = await look(browser, api.url, `sessions/new?agent=${old.id}`, {
      viewport: narrow,
    });
    await page.getByText("starts no sessions any more").waitFor();
    const shown = await page.getByLabel("Agent", { exact: true }).inputValue();
    assert.equal(shown, other.id);
    await page.getByRole("button", { name: "Add a repository" }).click();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await findings(page), []);
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByLabel("Message to the agent").waitFor();
    const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
    assert.equal((await api.client.beta.sessions.retrieve(id)).agent.id, other.id);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });
});
