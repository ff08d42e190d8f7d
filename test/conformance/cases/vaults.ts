import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { type FakeOAuth, startFakeOAuth } from "../../fakes/oauth.ts";
import { calling, errorsIn, mcpTexts } from "../../harness/mcp.ts";
import { newOAuthCredential, type OAuthCredential, validate } from "../../harness/oauth.ts";
import type { Context } from "../context.ts";
import { next } from "../script.ts";
import { type Group, item, notYet } from "../suite.ts";

/** With an authorization server and an MCP server of this machine, and one credential for them. */
async function withOAuth(
  { client }: Context,
  fields: Parameters<typeof newOAuthCredential>[2],
  check: (fake: FakeOAuth, credential: OAuthCredential) => Promise<void>,
): Promise<void> {
  const fake = await startFakeOAuth();
  const credential = await newOAuthCredential(client, fake, fields);
  try {
    await check(fake, credential);
  } catch (error) {
    if (fake.calls.length > 0) throw error;
    throw new Error(`the server has not asked ${fake.mcp_url}: it must be able to reach it`, {
      cause: error,
    });
  } finally {
    await client.beta.vaults.delete(credential.vault_id);
    await fake.close();
  }
}

const look = [calling("fake", "look"), next, "say done"];
const found = "it is there";

export const vaults: Group = {
  title: "Vaults",
  items: [
    notYet(
      70,
      "No secret is ever shown; an active key is there once; archive and delete purge",
      "it is built, and not checked here yet",
    ),
    notYet(
      71,
      "Where a secret may be injected can be set, changed and cleared",
      "it is built, and not checked here yet",
    ),
    notYet(
      72,
      "The sandbox sees a placeholder, which becomes the secret only on its way to an allowed host",
      "it is built, and not checked here yet",
    ),
    item(
      73,
      "An expired OAuth token is refreshed once, and running sessions get the new one",
      async (context) => {
        const { client, agent, session, turn } = context;
        const soon_ms = 2_000;
        const expires_at = new Date(Date.now() + soon_ms).toISOString();
        await withOAuth(context, { expires_at }, async (fake, { id: credential_id, vault_id }) => {
          const { id } = await agent({
            mcp_servers: [{ type: "url", name: "fake", url: fake.mcp_url }],
            tools: [
              {
                type: "mcp_toolset",
                mcp_server_name: "fake",
                default_config: { permission_policy: { type: "always_allow" } },
              },
            ],
          });
          const sessions = await Promise.all(
            Array.from({ length: 4 }, () => session({ agent: id, vault_ids: [vault_id] })),
          );
          await pause(soon_ms);
          const turns = await Promise.all(sessions.map((each) => turn(each.id, ...look)));
          for (const events of turns) assert.deepEqual(mcpTexts(events), [found]);
          assert.equal(fake.refreshes.length, 1);
          const [{ id: running = "" } = {}] = sessions;
          const sent = () => fake.refreshes.map(({ form }) => form.get("refresh_token"));
          for (const rotates of [true, false, false]) {
            fake.settings.rotates = rotates;
            fake.expire();
            assert.deepEqual(mcpTexts(await turn(running, ...look)), [found]);
          }
          // A new one takes the place of the one before; where none comes, that stays.
          assert.deepEqual(sent(), [
            "refresh-0-of-the-fake",
            "refresh-1-of-the-fake",
            ...["refresh-3-of-the-fake", "refresh-3-of-the-fake"],
          ]);
          fake.access_token = "by-hand";
          const auth = { type: "mcp_oauth", access_token: "by-hand" } as const;
          await client.beta.vaults.credentials.update(credential_id, { vault_id, auth });
          assert.deepEqual(mcpTexts(await turn(running, ...look)), [found]);
          assert.equal(fake.refreshes.length, 4);
          fake.expire();
          fake.settings.onRefresh = () => ({ status: 400, body: { error: "invalid_grant" } });
          const fresh = await session({ agent: id, vault_ids: [vault_id] });
          const [error] = errorsIn(await turn(fresh.id, "say done"));
          assert.ok(error?.type === "mcp_authentication_failed_error", JSON.stringify(error));
          assert.equal(error.mcp_server_name, "fake");
          assert.equal((await client.beta.sessions.retrieve(fresh.id)).status, "idle");
        });
      },
      { except: "the webhook of a failed refresh" },
    ),
    item(74, "A credential can be validated against its server", async (context) => {
      const { client, refused } = context;
      await withOAuth(context, {}, async (fake, credential) => {
        const valid = await validate(client, credential);
        assert.deepEqual([valid.status, valid.mcp_probe, valid.refresh], ["valid", null, null]);
        assert.equal(valid.has_refresh_token, true);
        fake.settings.onCall = () => ({ status: 503, body: "busy" });
        const unknown = await validate(client, credential);
        assert.equal(unknown.status, "unknown");
        assert.equal(unknown.mcp_probe?.http_response?.status_code, 503);
        fake.settings.onCall = undefined;
        fake.expire();
        const refreshed = await validate(client, credential);
        assert.deepEqual([refreshed.refresh?.status, fake.refreshes.length], ["succeeded", 1]);
        fake.expire();
        fake.settings.onRefresh = () => ({ status: 400, body: { error: "invalid_grant" } });
        const invalid = await validate(client, credential);
        assert.deepEqual([invalid.status, invalid.refresh?.status], ["invalid", "failed"]);
        assert.equal(invalid.refresh?.http_response?.status_code, 400);
        assert.equal(invalid.mcp_probe?.http_response?.status_code, 401);
      });
      await withOAuth(context, { refresh: null }, async (fake, credential) => {
        fake.expire();
        const { status, refresh, has_refresh_token } = await validate(client, credential);
        assert.deepEqual(
          [status, refresh?.status, has_refresh_token],
          ["invalid", "no_refresh_token", false],
        );
        const { vault_id } = credential;
        const bearer = await client.beta.vaults.credentials.create(vault_id, {
          auth: { type: "static_bearer", mcp_server_url: "https://mcp.example.com", token: "t" },
        });
        const path = `/v1/vaults/${vault_id}/credentials`;
        await refused(400, "POST", `${path}/${bearer.id}/mcp_oauth_validate`);
        await refused(404, "POST", `${path}/vcrd_01AAAAAAAAAAAAAAAAAAAAAA/mcp_oauth_validate`);
      });
    }),
  ],
};
