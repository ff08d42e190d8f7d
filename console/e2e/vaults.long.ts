import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noteUses } from "../../src/resources/credential-uses/note.ts";
import { newSession, prepare } from "../../test/harness/session.ts";
import { findings } from "./axe.ts";
import { narrow, noBrowser, overflow } from "./browser.ts";
import { setStage } from "./stage.ts";

const secret = "hush-not-a-real-secret-of-anybody";

/** Secrets go in and never come back, and where each was used is shown. */
describe("a vault", { skip: noBrowser }, () => {
  const stage = setStage();

  test("takes each kind of credential, replaces its secret, and shows none", async () => {
    const page = await stage.opened("vaults");
    const answers: string[] = [];
    page.on("response", async (response) => {
      if (response.url().includes("/v1/")) answers.push(await response.text().catch(() => ""));
    });
    await page.getByRole("button", { name: "New vault" }).first().click();
    await page.getByRole("dialog").getByLabel("Name").fill("Alice");
    await page.keyboard.press("Enter");
    await page.getByText("This vault is empty").waitFor();
    const vault_id = page.url().split("/").at(-1) ?? "";
    const add = page.getByRole("button", { name: "Add a credential" });
    const dialog = page.getByRole("dialog", { name: "Add a credential" });

    await add.click();
    await dialog.getByLabel("Variable", { exact: true }).fill("1 wrong");
    await dialog.getByLabel("Secret", { exact: true }).fill(secret);
    await page.keyboard.press("Enter");
    await dialog.getByText(/must/).first().waitFor();
    await dialog.getByLabel("Variable", { exact: true }).fill("GITHUB_TOKEN");
    await dialog.getByLabel("Hosts that it may be sent to").fill("stage.api.github.com");
    await page.keyboard.press("Enter");
    await page.getByText("GITHUB_TOKEN, sent to stage.api.github.com").first().waitFor();
    // The focus comes back to what has opened the dialog.
    assert.equal(await page.evaluate("document.activeElement.textContent"), "Add a credential");

    await add.click();
    await dialog.getByLabel("Kind").selectOption("static_bearer");
    await dialog.getByLabel("Address of the MCP server").fill("https://mcp.example.com/");
    await dialog.getByLabel("Secret", { exact: true }).fill(secret);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "https://mcp.example.com/" }).waitFor();

    await add.click();
    await dialog.getByLabel("Kind").selectOption("mcp_oauth");
    await dialog.getByLabel("Address of the MCP server").fill("https://other.example.com/");
    await dialog.getByLabel("Access token").fill(secret);
    await dialog.getByLabel("Expires").fill("2040-01-01T10:00");
    await dialog.getByLabel("The server renews it with a refresh token").check();
    await dialog.getByLabel("Refresh token", { exact: true }).fill(`${secret}-refresh`);
    await dialog.getByLabel("Token endpoint").fill("https://auth.example.com/token");
    await dialog.getByLabel("Client id").fill("client");
    await dialog.getByLabel("Name", { exact: true }).fill("Other");
    await page.keyboard.press("Enter");
    await page.getByText("it is renewed at https://auth.example.com/token").waitFor();

    await page.getByRole("button", { name: "Replace the secret of Other" }).click();
    await page.getByLabel("New access token").fill(`${secret}-new`);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: /^Settings of GITHUB_TOKEN/ }).click();
    await page.getByRole("dialog").getByLabel("Name").fill("GitHub");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "GitHub", exact: true }).waitFor();

    await page.getByRole("button", { name: "Archive GitHub" }).click();
    await page.getByRole("button", { name: "Archive it" }).click();
    await page.getByRole("heading", { name: "GitHub", exact: true }).waitFor({ state: "hidden" });
    await page.getByLabel("Archived too").check();
    await page.getByRole("heading", { name: "GitHub", exact: true }).waitFor();

    const kept = await Array.fromAsync(
      stage.api.client.beta.vaults.credentials.list(vault_id, { include_archived: true }),
    );
    assert.equal(kept.length, 3);
    const everything = [await page.content(), JSON.stringify(kept), ...answers].join("\n");
    assert.ok(!everything.includes("hush-not"));
  });

  test("says what is wrong wherever it is, and changes nothing but what was changed", async () => {
    const { vaults } = stage.api.client.beta;
    const vault = await vaults.create({ display_name: "Dora" });
    const page = await stage.opened(`vaults/${vault.id}`);
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Add a credential" }).click();
    for (const field of await dialog.locator("input[type=password]").all())
      assert.equal(await field.getAttribute("autocomplete"), "new-password");
    await dialog.getByLabel("Variable", { exact: true }).fill("API_TOKEN");
    await dialog.getByLabel("Hosts that it may be sent to").fill("a.example.com b.example.com");
    await dialog.getByLabel("Secret", { exact: true }).fill(secret);
    await dialog.getByLabel("headers").uncheck();
    await dialog.getByLabel("body").uncheck();
    await page.keyboard.press("Enter");
    await dialog.getByText("the secret would go nowhere").waitFor();
    await dialog.getByLabel("body").check();
    await page.getByRole("button", { name: "Put it into the vault" }).click();
    await dialog.waitFor({ state: "hidden" });
    const [made] = await Array.fromAsync(vaults.credentials.list(vault.id));
    assert.ok(made?.auth.type === "environment_variable");
    assert.deepEqual(made.auth.injection_location, { header: false, body: true });

    // Somebody narrows the hosts while another window has the settings open.
    await page.getByRole("button", { name: /^Settings of API_TOKEN/ }).click();
    const networking = { type: "limited" as const, allowed_hosts: ["a.example.com"] };
    await vaults.credentials.update(made.id, {
      vault_id: vault.id,
      auth: { type: "environment_variable", networking },
    });
    await dialog.getByLabel("Name").fill("Ours");
    await dialog.getByLabel("headers").check();
    await dialog.getByLabel("body").uncheck();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "Ours" }).waitFor();
    const { auth } = await vaults.credentials.retrieve(made.id, { vault_id: vault.id });
    assert.ok(auth.type === "environment_variable");
    assert.deepEqual(auth.networking, networking);
    assert.deepEqual(auth.injection_location, { header: true, body: false });
    await page.getByRole("button", { name: "Settings of Ours" }).click();
    await dialog.getByLabel("Name").fill("");
    await page.keyboard.press("Enter");
    await dialog.getByText(/minimum string length/).waitFor();
    await page.keyboard.press("Escape");

    // A refresh token that is not seen any more is not sent.
    await page.getByRole("button", { name: "Add a credential" }).click();
    await dialog.getByLabel("Kind").selectOption("mcp_oauth");
    await dialog.getByLabel("The server renews it with a refresh token").check();
    await dialog.getByLabel("Refresh token", { exact: true }).fill(secret);
    await dialog.getByLabel("Kind").selectOption("static_bearer");
    await dialog.getByLabel("Kind").selectOption("mcp_oauth");
    await dialog.getByLabel("Address of the MCP server").fill("https://mcp.example.com/");
    await dialog.getByLabel("Access token").fill(secret);
    await dialog.getByLabel("Expires").fill("2040-01-01T10:00");
    await page.getByRole("button", { name: "Put it into the vault" }).click();
    await dialog.waitFor({ state: "hidden" });
    await page.getByText("there is no refresh token").waitFor();
    // Of another token it has to be said how long it is good, or the old time would hold.
    await page.clock.setSystemTime("2045-01-01T10:00:00Z");
    await page.getByRole("button", { name: "Replace the secret of https://mcp.example.com/" }).click();
    await page.getByLabel("New access token").fill(`${secret}-new`);
    await page.keyboard.press("Enter");
    assert.ok(await page.evaluate(`document.querySelector("dialog[open] input:invalid") !== null`));
    await page.getByLabel("Expires").fill("2050-01-01T10:00");
    await page.getByRole("button", { name: "Replace it" }).click();
    await dialog.waitFor({ state: "hidden" });
    await page.getByText("Its access token expires").waitFor();
    const everywhere = await page.evaluate(
      "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, location.href])",
    );
    assert.ok(!`${await page.content()} ${everywhere}`.includes("hush-not"));
  });

  test("says of each credential by which sessions it was used, and how its refresh has failed", async () => {
    const vault = await stage.api.client.beta.vaults.create({ display_name: "Bob" });
    const made = await stage.api.client.beta.vaults.credentials.create(vault.id, {
      display_name: "Calendar",
      auth: {
        type: "mcp_oauth",
        mcp_server_url: "https://calendar.example.com/mcp",
        access_token: secret,
        expires_at: "2040-01-01T10:00:00Z",
        refresh: {
          token_endpoint: "https://auth.example.com/token",
          client_id: "client",
          refresh_token: secret,
          token_endpoint_auth: { type: "none" },
        },
      },
    });
    const { agent_id, environment_id } = await prepare(stage.api.client);
    const titled = await stage.api.client.beta.sessions.create({
      agent: agent_id,
      environment_id,
      title: "Plan the week",
    });
    const other = await newSession(stage.api.client, await prepare(stage.api.client));
    const use = { id: made.id, kind: "mcp" as const, host: "calendar.example.com", outcome: "sent 200" };
    await noteUses(stage.api.db, "wrkspc_default", titled.id, [{ ...use, count: 41 }]);
    await noteUses(stage.api.db, "wrkspc_default", other.id, [
      { ...use, host: "evil<b>host</b>\u202e", outcome: "host is not allowed", at: "2026-01-01T10:00:00Z" },
    ]);
    await stage.api.db.query(
      {
        name: "test_failed",
        text: `update credential set refresh_failures = 2, refresh_failed_version = secret_version,
          refresh_failure = 'the token endpoint has refused it: invalid_grant', refresh_rest_until = drover_now()
          where id = $1`,
      },
      [made.id],
    );
    for (const viewport of [undefined, narrow]) {
      const page = await stage.opened(`vaults/${vault.id}`, {
        colorScheme: viewport ? "dark" : "light",
        ...(viewport && { viewport }),
      });
      await page.getByText("Its last 2 refreshes have failed").waitFor();
      await page.getByText("invalid_grant").waitFor();
      await page.getByText(/^Last used/).click();
      await page.getByRole("cell", { name: "41", exact: true }).waitFor();
      await page.getByRole("cell", { name: "host is not allowed" }).waitFor();
      assert.equal(await page.locator("td b").count(), 0);
      assert.deepEqual(await findings(page), []);
      assert.equal(await overflow(page), 0);
      await page.getByRole("button", { name: "Add a credential" }).click();
      await page.getByLabel("Kind").selectOption("mcp_oauth");
      await page.getByLabel("The server renews it with a refresh token").check();
      assert.deepEqual(await findings(page), []);
      assert.equal(await overflow(page), 0);
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: "Plan the week" }).click();
      await page.getByRole("heading", { name: "Plan the week" }).waitFor();
    }
  });

  test("says whether an OAuth credential works, or that nobody can say", async () => {
    const vault = await stage.api.client.beta.vaults.create({ display_name: "Carol" });
    await stage.api.client.beta.vaults.credentials.create(vault.id, {
      auth: { type: "mcp_oauth", mcp_server_url: "https://127.0.0.1:1/mcp", access_token: secret },
    });
    const page = await stage.opened(`vaults/${vault.id}`);
    await page.getByRole("button", { name: "See whether it works" }).click();
    await page.getByText("Nobody can say whether it works").waitFor();
    await page.getByRole("button", { name: "Delete the vault Carol" }).click();
    await page.keyboard.press("Enter");
    await page.getByText("Alice").waitFor();
    await assert.rejects(stage.api.client.beta.vaults.retrieve(vault.id), { status: 404 });
  });
});
