import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { newSkill } from "../../test/harness/skills.ts";
import { findings } from "./axe.ts";
import { narrow, noBrowser, overflow } from "./browser.ts";
import { setStage } from "./stage.ts";

/** What the forms of agents and environments are not asked to change stays as it is, and what is typed there is not lost. */
describe("what is kept", { skip: noBrowser }, () => {
  const stage = setStage();
  const agents = () => stage.api.client.beta.agents;
  const json = (page: Page) => page.getByLabel("As JSON");
  const written = async (page: Page) => JSON.parse(await json(page).inputValue());
  const save = (page: Page) => page.getByRole("button", { name: /^Save/ });
  const describedAs = (page: Page) => page.getByRole("textbox", { name: "Description" });
  /** As if other tabs had been looked at meanwhile: what is older than a moment is asked for again. */
  async function comeBack(page: Page, shows: string) {
    const shown = page.getByText(shows);
    for (const until = Date.now() + 20_000; Date.now() < until && (await shown.count()) === 0; ) {
      await page.evaluate(`document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))`);
      await page.waitForTimeout(200);
    }
    await shown.waitFor();
  }

  async function fullAgent(skill: string) {
    const { id: skill_id } = await newSkill(stage.api.client, skill);
    const helper = await agents().create({ name: "Helper", model: "simulated" });
    return agents().create({
      name: "Everything",
      description: "All fields",
      model: { id: "simulated", speed: "fast", effort: "low", inference_geo: "us" },
      system: "first line\n\n  third, with spaces  \n",
      tools: [
        {
          type: "agent_toolset_20260401",
          default_config: { enabled: true, permission_policy: { type: "always_ask" } },
          configs: [
            { name: "bash", permission_policy: { type: "always_allow" } },
            { name: "read", permission_policy: { type: "always_ask" } },
            { name: "write", enabled: false },
            {
              name: "web_fetch",
              allowed_domains: ["example.com"],
              max_content_tokens: 5_000,
              url_sources: { client_tool_results: "none", user_input: "all" },
            },
            {
              name: "web_search",
              blocked_domains: ["evil.example"],
              user_location: { type: "approximate", city: "Bonn", country: "DE" },
            },
          ],
        },
        {
          type: "mcp_toolset",
          mcp_server_name: "calendar",
          default_config: { enabled: false },
          configs: [{ name: "list_events", enabled: true, permission_policy: { type: "auto" } }],
        },
        {
          type: "custom",
          name: "ring",
          description: "Rings",
          input_schema: { type: "object", properties: { bell: { type: "string" } }, required: ["bell"] },
        },
      ],
      mcp_servers: [{ type: "url", name: "calendar", url: "https://calendar.example.com/mcp" }],
      skills: [{ type: "custom", skill_id }],
      execution_identity: { type: "aws_role", role_arn: "arn:aws:iam::123456789012:role/agent" },
      multiagent: {
        type: "coordinator",
        agents: [{ type: "self" }, { type: "agent", id: helper.id }],
      },
      metadata: { team: "a", constructor: "b", empty: "" },
    } as Parameters<ReturnType<typeof agents>["create"]>[0]);
  }

  test("of an agent with every field, one word is changed, and an agent that named itself does so still", async () => {
    const { id, version: _, updated_at: __, multiagent, ...before } = await fullAgent("one-word");
    const page = await stage.opened(`agents/${id}`);
    await describedAs(page).fill("One word");
    await save(page).click();
    await page.getByText("Saved as version 2").waitFor();
    const { version, updated_at: ___, multiagent: crew, ...after } = await agents().retrieve(id);
    assert.equal(version, 2);
    assert.deepEqual(after, { ...before, id, description: "One word" });
    assert.deepEqual(
      JSON.parse(JSON.stringify(crew).replace(`"id":"${id}","version":2`, `"id":"${id}","version":1`)),
      multiagent,
    );
    // Also where the roster itself is edited.
    await page.getByText("itself", { exact: true }).first().waitFor();
    await page.getByRole("button", { name: "Remove agent 2" }).click();
    await page.getByRole("button", { name: "Remove pair 2 of Metadata" }).click();
    await save(page).click();
    await page.getByText("Saved as version 3").waitFor();
    const { multiagent: alone, metadata } = await agents().retrieve(id);
    assert.deepEqual(alone, { type: "coordinator", agents: [{ type: "agent", id, version: 3 }] });
    assert.deepEqual(metadata, { team: "a", empty: "" });
  });

  test("what all tools do is changed for those that a saved agent does not name, and domains stay", async () => {
    const { id } = await fullAgent("domains");
    const page = await stage.opened(`agents/${id}`);
    await page.getByLabel("All, unless said below").selectOption("auto");
    await page.getByLabel("web_fetch", { exact: true }).selectOption("always_ask");
    await page.getByLabel("web_fetch", { exact: true }).selectOption("");
    await save(page).click();
    await page.getByText("Saved as version 2").waitFor();
    const [toolset] = (await agents().retrieve(id)).tools;
    assert.ok(toolset?.type === "agent_toolset_20260401");
    const judged = toolset.configs.filter(
      ({ enabled, permission_policy }) => enabled && permission_policy.type === "auto",
    );
    assert.deepEqual(
      judged.map(({ name }) => name),
      ["read", "edit", "glob", "grep", "web_fetch", "web_search"],
    );
    const fetch = toolset.configs.find(({ name }) => name === "web_fetch") as { allowed_domains?: string[] };
    assert.deepEqual(fetch.allowed_domains, ["example.com"]);
  });

  test("each MCP server keeps its own tools while another one is typed to its name and beyond", async () => {
    const git = { type: "mcp_toolset", mcp_server_name: "git", default_config: { enabled: false } } as const;
    const other = { type: "mcp_toolset", mcp_server_name: "other" } as const;
    for (const tools of [
      [git, other],
      [other, git],
    ]) {
      const { id } = await agents().create({
        name: "Two servers",
        model: "simulated",
        mcp_servers: [
          { type: "url", name: "git", url: "https://a.example.com/" },
          { type: "url", name: "other", url: "https://b.example.com/" },
        ],
        tools,
      });
      const page = await stage.opened(`agents/${id}`);
      await page.getByLabel("Name of server 2").fill("");
      await page.getByLabel("Name of server 2").pressSequentially("github");
      const after = (await written(page)).tools as {
        mcp_server_name: string;
        default_config: { enabled: boolean };
      }[];
      assert.deepEqual(
        Object.fromEntries(after.map((tool) => [tool.mcp_server_name, tool.default_config.enabled])),
        { github: true, git: false },
      );
    }
  });

  test("what is typed while a save is on its way stays", async () => {
    const { id } = await agents().create({ name: "Slow", model: "simulated" });
    const page = await stage.opened(`agents/${id}`);
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    await page.route(`**/v1/agents/${id}`, async (route) => {
      if (route.request().method() === "POST") await held;
      await route.continue();
    });
    await describedAs(page).fill("saved");
    // What it is checked by has come.
    await save(page).and(page.locator(":enabled")).waitFor();
    await page.keyboard.press("Control+s");
    await describedAs(page).pressSequentially(", and more");
    go();
    await page.getByText("Saved as version 2").waitFor();
    assert.equal(await describedAs(page).inputValue(), "saved, and more");
    await save(page).click();
    await page.getByText("Saved as version 3").waitFor();
    assert.equal((await agents().retrieve(id)).description, "saved, and more");
  });

  test("what is typed stays when the agent is archived elsewhere, and when an old version is put there", async () => {
    const { id } = await agents().create({ name: "Archived", model: "simulated" });
    await agents().update(id, { version: 1, system: "newer" });
    const page = await stage.opened(`agents/${id}`);
    await describedAs(page).fill("a long text");
    await page.getByRole("button", { name: /^v1 / }).click();
    await page.getByRole("button", { name: "Put version 1 into the editor" }).click();
    assert.equal((await written(page)).description, undefined);
    await page.getByRole("button", { name: "Back to what I had written" }).click();
    assert.equal((await written(page)).description, "a long text");
    await agents().archive(id);
    await comeBack(page, "This agent was archived");
    assert.equal((await written(page)).description, "a long text");
    assert.ok(await save(page).isDisabled());
    assert.deepEqual(await findings(page), []);
    await page.getByRole("link", { name: "Vaults" }).click();
    await page.getByRole("button", { name: "Leave, and lose it" }).click();
    await page.goBack();
    await page.getByText("This agent was archived").waitFor();
    assert.equal(await json(page).count(), 0);
  });

  test("of an environment too", async () => {
    const environments = stage.api.client.beta.environments;
    const { id } = await environments.create({ name: "short-lived" });
    const page = await stage.opened(`environments/${id}`);
    await describedAs(page).fill("a long text");
    await environments.archive(id);
    await comeBack(page, "This environment was archived");
    assert.equal((await written(page)).description, "a long text");
    assert.equal(await page.getByText("Somebody else has saved").count(), 0);
  });

  test("a name that is there twice and a number that is none are said, before they are lost", async () => {
    const { id } = await agents().create({ name: "Twice", model: "simulated" });
    const page = await stage.opened(`agents/${id}`);
    await json(page).fill(
      '{\n  "name": "Twice",\n  "model": "simulated",\n  "system": "one",\n  "system": "two"\n}',
    );
    await page
      .getByText(/is there twice/)
      .first()
      .waitFor();
    assert.ok(await save(page).isDisabled());
    await page.getByRole("button", { name: "line 5, column 13" }).waitFor();
    const withNumber = (number: string) => `{
      "name": "Twice", "model": "simulated",
      "tools": [{ "type": "custom", "name": "count", "description": "Counts",
        "input_schema": { "type": "object", "properties": { "n": { "maximum": ${number} } } } }]
    }`;
    for (const number of ["1e400", "12345678901234567890", "-9007199254740993"]) {
      await json(page).fill(withNumber(number));
      await page
        .getByText(/cannot be kept/)
        .first()
        .waitFor();
      assert.ok(await save(page).isDisabled());
    }
    await json(page).fill(withNumber("9007199254740992.0"));
    await save(page).click();
    await page.getByText("Saved as version 2").waitFor();
    await page.getByRole("button", { name: "Add a pair" }).click();
    await page.getByLabel("Name 1 of Metadata").fill("a");
    await page.getByRole("button", { name: "Add a pair" }).click();
    await page.getByLabel("Name 2 of Metadata").fill("a");
    await page.getByText("“a” is there twice").waitFor();
  });

  test("packages with commas and commands of several lines are not torn", async () => {
    const environments = stage.api.client.beta.environments;
    const setup = ["cat <<'END' >/tmp/x\none\n\ntwo\nEND", "echo done"];
    const { id } = await environments.create({
      name: "exact",
      config: { type: "cloud", packages: { pip: ["requests>=2,<3"] }, ...{ setup } },
    });
    const page = await stage.opened(`environments/${id}`);
    await page.getByLabel("pip").press("End");
    await page.getByLabel("pip").pressSequentially(" numpy>=1,!=1.5");
    await page.getByLabel("Set-up commands").click();
    await page.keyboard.type("x");
    await save(page).click();
    await page.getByText("Saved. Sandboxes").waitFor();
    const { config } = await environments.retrieve(id);
    assert.ok(config.type === "cloud");
    assert.deepEqual(config.packages.pip, ["requests>=2,<3", "numpy>=1,!=1.5"]);
    assert.deepEqual((config as unknown as { setup: string[] }).setup, setup);
  });

  test("an archived agent with unsaved text fits a narrow window", async () => {
    const { id } = await agents().create({ name: "Narrow", model: "simulated" });
    const page = await stage.opened(`agents/${id}`, { viewport: narrow, colorScheme: "dark" });
    await describedAs(page).fill("x".repeat(200));
    await agents().archive(id);
    await comeBack(page, "This agent was archived");
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await findings(page), []);
  });
});
