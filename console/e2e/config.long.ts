import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { findings } from "./axe.ts";
import { composer, narrow, noBrowser } from "./browser.ts";
import { setStage } from "./stage.ts";

/** Agents and environments are made and changed in the console: as a form, as JSON, and by two people at once. */
describe("a configuration", { skip: noBrowser }, () => {
  const stage = setStage();
  const newAgent = (fields: object = {}) =>
    stage.api.client.beta.agents.create({ name: "Analyst", model: "simulated", ...fields });
  const json = (page: Page) => page.getByLabel("As JSON");
  const written = async (page: Page) => JSON.parse(await json(page).inputValue());
  const save = (page: Page) => page.getByRole("button", { name: /^Save/ });

  test("is the same as a form and as JSON, and what the form does not know is kept", async () => {
    const page = await stage.opened("agents/new");
    await page.getByLabel("Name", { exact: true }).fill("Counter");
    assert.equal((await written(page)).name, "Counter");
    const body = {
      name: "From JSON",
      model: { id: "simulated", effort: "low" },
      system: "two\nlines",
      future: { of: ["the API"] },
      tools: [
        {
          type: "agent_toolset_20260401",
          configs: [{ name: "bash", permission_policy: { type: "always_ask" } }],
        },
        { type: "custom", name: "ring", description: "Rings", input_schema: { type: "object" } },
      ],
      metadata: { team: "a" },
    };
    await json(page).fill(JSON.stringify(body));
    assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "From JSON");
    assert.equal(await page.getByLabel("System prompt").inputValue(), "two\nlines");
    assert.equal(await page.getByLabel("bash", { exact: true }).inputValue(), "always_ask");
    assert.equal(await page.getByLabel("Effort").inputValue(), "low");
    assert.equal(await page.getByLabel("Value 1 of Metadata").inputValue(), "a");
    assert.equal(await page.getByLabel("Name of tool 1").inputValue(), "ring");
    await page.getByLabel("read", { exact: true }).selectOption("off");
    await page.getByLabel("What tool 1 takes").fill("{");
    await page.getByText("must be an object").first().waitFor();
    await page.getByLabel("What tool 1 takes").fill('{"type":"object","properties":{"bell":{}}}');
    const after = await written(page);
    assert.deepEqual(after.future, body.future);
    assert.deepEqual(after.tools[0].configs[1], { name: "read", enabled: false });
    assert.deepEqual(after.tools[1].input_schema.properties, { bell: {} });

    // The schema is the server's: it says what is wrong, and where.
    await page.getByText("unknown field").first().waitFor();
    assert.ok(await page.getByRole("button", { name: "Create" }).isDisabled());
    await page.getByRole("button", { name: /^line \d+$/ }).click();
    assert.match(await page.evaluate("getSelection().toString()"), /the API/);
    const { future: _, ...rest } = after;
    await json(page).fill(JSON.stringify(rest));
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name: "From JSON" }).waitFor();
    const agent = await stage.api.client.beta.agents.retrieve(page.url().split("/").at(-1) ?? "");
    assert.equal(agent.metadata.team, "a");
    assert.ok(agent.tools[0]?.type === "agent_toolset_20260401");
    assert.equal(agent.tools[0].configs.find(({ name }) => name === "read")?.enabled, false);
  });

  test("that is no JSON says where, and the form waits with what was there", async () => {
    const { id } = await newAgent();
    const page = await stage.opened(`agents/${id}`);
    await json(page).fill('{\n  "name": "x",\n  "model": simulated\n}');
    await page.getByRole("button", { name: "line 3, column 12" }).waitFor();
    assert.ok(await page.getByLabel("Name", { exact: true }).isDisabled());
    assert.ok(await save(page).isDisabled());
    await page.getByRole("button", { name: "Back to what could be read last" }).click();
    assert.equal((await written(page)).name, "Analyst");
    assert.ok(await page.getByLabel("Name", { exact: true }).isEnabled());
  });

  test("that the server refuses is said at its field", async () => {
    const { id } = await newAgent();
    const page = await stage.opened(`agents/${id}`);
    await page.getByRole("button", { name: "Add an MCP server" }).click();
    await page.getByLabel("Address of server 1").fill("https://mcp.example.com/");
    const body = await written(page);
    await json(page).fill(JSON.stringify({ ...body, tools: [] }));
    await save(page).click();
    await page
      .getByText(/no mcp_toolset in tools refers to/)
      .first()
      .waitFor();
    assert.equal(await page.getByLabel("Name of server 1").getAttribute("aria-invalid"), "true");
    await page.getByRole("button", { name: "Let it use the tools" }).click();
    await page.keyboard.press("Control+s");
    await page.getByText("Saved as version 2").waitFor();
    assert.equal((await stage.api.client.beta.agents.retrieve(id)).mcp_servers.length, 1);
  });

  test("that somebody else saves meanwhile: both see what changed, and nothing is lost", async () => {
    const { id } = await newAgent({ system: "one", metadata: { a: "1", b: "2" } });
    const page = await stage.opened(`agents/${id}`);
    await page.getByRole("textbox", { name: "Description" }).fill("mine");
    await page.getByLabel("System prompt").fill("mine too");
    await page.getByRole("button", { name: "Remove pair 2 of Metadata" }).click();
    await stage.api.client.beta.agents.update(id, { version: 1, name: "Theirs", system: "theirs" });
    await save(page).click();
    await page.getByText("Somebody else has saved").waitFor();
    await page.getByText("What they have changed").waitFor();
    await page.getByText("+ theirs", { exact: true }).waitFor();
    assert.deepEqual(await findings(page), []);
    await page.getByRole("button", { name: "Put mine onto theirs" }).click();
    await page.getByText("yours stands: system").waitFor();
    await page.getByRole("button", { name: "Save as version 3" }).click();
    await page.getByText("Saved as version 3").waitFor();
    const { name, description, system, metadata } = await stage.api.client.beta.agents.retrieve(id);
    assert.deepEqual(
      { name, description, system, metadata },
      { name: "Theirs", description: "mine", system: "mine too", metadata: { a: "1" } },
    );
    // Whoever has changed nothing sees the new one.
    await stage.api.client.beta.agents.update(id, { version: 3, name: "Again" });
    await page.reload();
    await page.getByRole("heading", { name: "Again" }).waitFor();
  });

  test("that is not saved is not lost by a click", async () => {
    const { id } = await newAgent();
    const page = await stage.opened(`agents/${id}`);
    await page.getByRole("textbox", { name: "Description" }).fill("not yet");
    const away = page.getByRole("link", { name: "Vaults" });
    await away.click();
    const dialog = page.getByRole("dialog", { name: "Leave without saving?" });
    await dialog.waitFor();
    assert.deepEqual(await findings(page), []);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.equal(await page.getByRole("textbox", { name: "Description" }).inputValue(), "not yet");
    await page.getByRole("button", { name: "Try it" }).click();
    await dialog.getByRole("button", { name: "Stay" }).click();
    await save(page).click();
    await page.getByText("Saved as version 2").waitFor();
    await away.click();
    await page.getByRole("heading", { name: "Vaults", level: 1 }).waitFor();
  });

  test("has versions, any two of which are compared, and an old one comes back", async () => {
    const { id } = await newAgent({ system: "first\nsame" });
    await stage.api.client.beta.agents.update(id, { version: 1, system: "second\nsame" });
    await stage.api.client.beta.agents.update(id, { version: 2, name: "Third" });
    const page = await stage.opened(`agents/${id}`);
    await page.getByRole("button", { name: /^v3 / }).click();
    await page.getByText("From version 2 to version 3").waitFor();
    await page.getByLabel("Version 3 compared with").selectOption("1");
    await page.getByText("- first", { exact: true }).waitFor();
    await page.getByText("+ second", { exact: true }).waitFor();
    await page.getByRole("button", { name: /^v1 / }).click();
    await page.getByRole("button", { name: "Put version 1 into the editor" }).click();
    assert.equal((await written(page)).system, "first\nsame");
    await page.getByRole("button", { name: "Save as version 4" }).click();
    await page.getByText("Saved as version 4").waitFor();
    assert.equal((await stage.api.client.beta.agents.retrieve(id)).name, "Analyst");

    await page.getByRole("button", { name: "Try it" }).click();
    await composer(page).waitFor();
    await page.goBack();
    await page.getByRole("button", { name: "Archive" }).click();
    await page.getByRole("button", { name: "Archive it" }).click();
    await page.getByText("This agent was archived").waitFor();
    await page.getByRole("link", { name: "Agents", exact: true }).click();
    await page.getByLabel("Archived too").check();
    await page.locator(`a[href$="${id}"]`).waitFor();
  });

  test("of an environment is the same in both, and what is taken out is gone", async () => {
    const page = await stage.opened("environments");
    await page.getByRole("link", { name: "New environment" }).first().click();
    const config = {
      type: "cloud",
      networking: { type: "limited", allowed_hosts: ["a.example.com"], allow_package_managers: true },
      packages: { npm: ["left-pad"], pip: ["requests"] },
      resources: { memory_mb: 512 },
      setup: ["echo hello"],
    };
    await json(page).fill(JSON.stringify({ name: "limited", config }));
    const hosts = page.getByLabel("Hosts that may be reached");
    assert.equal(await hosts.inputValue(), "a.example.com");
    assert.equal(await page.getByLabel("npm").inputValue(), "left-pad");
    assert.equal(await page.getByLabel("Memory, in MB").inputValue(), "512");
    assert.ok(await page.getByLabel("and the package managers' registries").isChecked());
    await hosts.press("End");
    await hosts.pressSequentially("\n*.example.org");
    assert.deepEqual((await written(page)).config.networking.allowed_hosts, [
      "a.example.com",
      "*.example.org",
    ]);
    await json(page).fill((await json(page).inputValue()).replace("a.example.com", "b.example.com"));
    assert.equal(await hosts.inputValue(), "b.example.com\n*.example.org");
    await hosts.fill("https://no");
    await page
      .getByText(/must be a hostname/)
      .first()
      .waitFor();
    await hosts.fill("b.example.com");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name: "limited" }).waitFor();
    const id = page.url().split("/").at(-1) ?? "";

    await page.getByLabel("npm").fill("");
    await page.getByLabel("Memory, in MB").fill("");
    await page.getByLabel("Set-up commands").fill("");
    await save(page).click();
    await page.getByText("Saved. Sandboxes").waitFor();
    const { config: stored } = await stage.api.client.beta.environments.retrieve(id);
    assert.ok(stored.type === "cloud");
    assert.deepEqual(
      [stored.packages.npm, stored.packages.pip, "resources" in stored, "setup" in stored],
      [[], ["requests"], false, false],
    );

    await page.getByRole("textbox", { name: "Description" }).fill("mine");
    await stage.api.client.beta.environments.update(id, { name: "theirs" });
    await save(page).click();
    await page.getByText("Somebody else has saved").waitFor();
    await page.getByRole("button", { name: "Put mine onto theirs" }).click();
    // The heading is theirs already.
    const saved = page.waitForResponse(
      (answer) => answer.request().method() === "POST" && answer.url().endsWith(id),
    );
    await save(page).click();
    assert.equal((await saved).status(), 200);
    await page.getByRole("heading", { name: "theirs" }).waitFor();
    assert.equal((await stage.api.client.beta.environments.retrieve(id)).description, "mine");
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.getByRole("heading", { name: "Environments", level: 1 }).waitFor();
    await assert.rejects(stage.api.client.beta.environments.retrieve(id), { status: 404 });
  });

  test("of workers has keys, each shown once, and revoked when that is confirmed", async () => {
    const { id } = await stage.api.client.beta.environments.create({
      name: "own",
      config: { type: "self_hosted" },
    });
    const agent = await newAgent();
    const session = await stage.api.client.beta.sessions.create({ agent: agent.id, environment_id: id });
    await stage.api.client.beta.sessions.events.send(session.id, {
      events: [{ type: "user.message", content: [{ type: "text", text: "bash ls" }] }],
    });
    const page = await stage.opened(`environments/${id}`);
    await page.getByRole("cell", { name: "queued" }).waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByRole("dialog").getByLabel("Name").fill("first worker");
    await page.keyboard.press("Enter");
    await page.getByText("it is shown this once").waitFor();
    await page.getByText(/^drover-env-/).waitFor();
    await page.getByRole("button", { name: "Done" }).click();
    assert.equal(await page.getByText(/^drover-env-/).count(), 0);
    await page.getByRole("button", { name: "Revoke first worker" }).click();
    await page.keyboard.press("Escape");
    await page.getByRole("cell", { name: "first worker", exact: true }).waitFor();
    await page.getByRole("button", { name: "Revoke first worker" }).click();
    await page.keyboard.press("Enter");
    await page.getByText("A worker needs one").waitFor();
  });

  test("is edited on a narrow screen, one after the other", async () => {
    const { id } = await newAgent();
    const page = await stage.opened(`agents/${id}`, { viewport: narrow });
    await page.getByRole("textbox", { name: "Description" }).fill("small");
    await page.getByRole("button", { name: "JSON" }).click();
    assert.equal((await written(page)).description, "small");
    await save(page).click();
    await page.getByText("Saved as version 2").waitFor();
  });
});
