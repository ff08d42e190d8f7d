import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import type { BetaManagedAgentsCredential } from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import { type FakeOAuth, startFakeOAuth } from "../../fakes/oauth.ts";
import { calling, errorsIn, mcpTexts } from "../../harness/mcp.ts";
import { newOAuthCredential, type OAuthCredential, validate } from "../../harness/oauth.ts";
import { saidIn } from "../../harness/session.ts";
import type { Context } from "../context.ts";
import { bash, echoes, next } from "../script.ts";
import { type Group, item } from "../suite.ts";

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

interface Heard {
  host: string;
  head: string;
  body: string;
}

/** With a host at `localhost` of this machine, which says what it was told, and tells it to the check. */
async function withHost(
  { tls }: Context,
  check: (port: number, heard: Heard[]) => Promise<void>,
): Promise<void> {
  if (tls === null) throw new Error("--tls has to be given: a host that the server trusts");
  const heard: Heard[] = [];
  const server = createServer(tls, async (request, response) => {
    const { headers } = request;
    const body = await text(request);
    heard.push({ host: (headers.host ?? "").replace(/:.*/, ""), head: String(headers["x-said"]), body });
    response.end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    await check((server.address() as AddressInfo).port, heard);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const secret = "a-secret-of-the-conformance-suite";
const bearer = {
  type: "static_bearer" as const,
  mcp_server_url: "https://a.example.com/mcp",
  token: `${secret}-1`,
};
const oauth = {
  type: "mcp_oauth" as const,
  mcp_server_url: "https://b.example.com/mcp",
  access_token: `${secret}-2`,
  expires_at: "2999-01-01T00:00:00Z",
  refresh: {
    token_endpoint: "https://auth.example.com/token",
    client_id: "client",
    refresh_token: `${secret}-3`,
    token_endpoint_auth: { type: "client_secret_post" as const, client_secret: `${secret}-4` },
  },
};
const variable = {
  type: "environment_variable" as const,
  secret_name: "CONFORMANCE_KEY",
  secret_value: `${secret}-5`,
  networking: { type: "limited" as const, allowed_hosts: ["api.example.com"] },
};

function locationOf({ auth }: BetaManagedAgentsCredential) {
  assert.ok(auth.type === "environment_variable");
  return auth.injection_location;
}

const look = [calling("fake", "look"), next, "say done"];
const found = "it is there";

export const vaults: Group = {
  title: "Vaults",
  items: [
    item(
      70,
      "No secret is ever shown; an active key is there once; archive and delete purge",
      async (context) => {
        const { client, ask, refused, vault } = context;
        const { credentials } = client.beta.vaults;
        const { id: vault_id } = await vault();
        const path = `/v1/vaults/${vault_id}/credentials`;
        const answers: unknown[] = [];
        for (const auth of [bearer, oauth, variable])
          answers.push(await credentials.create(vault_id, { auth }));
        const [first = "", second = "", third = ""] = answers.map((answer) => (answer as { id: string }).id);
        const same = { ...bearer, mcp_server_url: "https://B.example.com:443/mcp/" };
        answers.push((await refused(409, "POST", path, { body: { auth: same } })).text);
        answers.push((await refused(409, "POST", path, { body: { auth: variable } })).text);
        for (const token of [`${secret} `, `${secret}\n`, [secret]])
          answers.push((await refused(400, "POST", path, { body: { auth: { ...bearer, token } } })).text);
        const token = `${secret}-changed`;
        answers.push(await credentials.update(first, { vault_id, auth: { type: "static_bearer", token } }));
        answers.push(await credentials.retrieve(second, { vault_id }), (await ask("GET", path)).text);

        const archived = await credentials.archive(first, { vault_id });
        assert.ok(archived.archived_at);
        assert.deepEqual(await credentials.archive(first, { vault_id }), archived);
        await refused(400, "POST", `${path}/${first}`, { body: { auth: { type: "static_bearer", token } } });
        answers.push(await credentials.create(vault_id, { auth: bearer }));
        const ids = async (query: string) =>
          (await ask("GET", `${path}${query}`)).body.data.map(({ id }) => id);
        assert.ok(!(await ids("")).includes(first));
        assert.ok((await ids("?include_archived=true")).includes(first));
        const deleted = await credentials.delete(third, { vault_id });
        assert.deepEqual(deleted, { id: third, type: "vault_credential_deleted" });
        await refused(404, "GET", `${path}/${third}`);

        assert.ok((await client.beta.vaults.archive(vault_id)).archived_at);
        assert.deepEqual(await ids(""), []);
        assert.ok((await credentials.retrieve(second, { vault_id })).archived_at);
        await refused(400, "POST", path, { body: { auth: variable } });
        const { type } = await client.beta.vaults.delete(vault_id);
        assert.equal(type, "vault_deleted");
        await refused(404, "GET", `/v1/vaults/${vault_id}`);
        await refused(404, "GET", `${path}/${second}`);
        assert.ok(!JSON.stringify(answers).includes(secret));
      },
    ),
    item(
      71,
      "Where a secret may be injected can be set, changed and cleared",
      async ({ client, refused, vault }) => {
        const { id: vault_id } = await vault();
        const path = `/v1/vaults/${vault_id}/credentials`;
        const create = async (secret_name: string, fields: object) => {
          const auth = { ...variable, secret_name, ...fields };
          return locationOf(await client.beta.vaults.credentials.create(vault_id, { auth }));
        };
        assert.deepEqual(await create("A", {}), { header: true, body: true });
        assert.deepEqual(await create("B", { injection_location: { body: true } }), {
          header: false,
          body: true,
        });
        const bad = [
          null,
          {},
          { header: false },
          { header: false, body: false },
          { header: null, body: true },
        ];
        for (const injection_location of bad)
          await refused(400, "POST", path, { body: { auth: { ...variable, injection_location } } });

        const { id } = await client.beta.vaults.credentials.create(vault_id, { auth: variable });
        const type = "environment_variable" as const;
        const update = async (injection_location: object) =>
          locationOf(
            await client.beta.vaults.credentials.update(id, { vault_id, auth: { type, injection_location } }),
          );
        assert.deepEqual(await update({ body: false }), { header: true, body: false });
        for (const injection_location of [null, { header: false }, { body: null }])
          await refused(400, "POST", `${path}/${id}`, { body: { auth: { type, injection_location } } });
        assert.deepEqual(await update({}), { header: true, body: false });
        assert.deepEqual(await update({ header: false, body: true }), { header: false, body: true });
      },
    ),
    item(
      72,
      "The sandbox sees a placeholder, which becomes the secret only on its way to an allowed host",
      async (context) => {
        const { client, session, turn, vault } = context;
        const { id: vault_id } = await vault();
        const networking = { type: "limited" as const, allowed_hosts: ["localhost"] };
        const names = { both: {}, head: { header: true }, body: { body: true } };
        for (const [name, injection_location] of Object.entries(names))
          await client.beta.vaults.credentials.create(vault_id, {
            auth: {
              ...{ ...variable, networking, secret_name: name, secret_value: `${secret}-${name}` },
              ...(name !== "both" && { injection_location }),
            },
          });
        const { id } = await session({ vault_ids: [vault_id] });
        await withHost(context, async (port, heard) => {
          const all = Object.keys(names).map((name) => `$${name}`);
          const at = (host: string, options: string) =>
            `env -u NO_PROXY -u no_proxy curl -sS -m 20 ${options} -H "x-said: ${all.join(" ")}" -d "${all.join(" ")}" https://${host}:${port}/`;
          const run = async (command: string) => saidIn(await turn(id, bash(command), next, echoes)).trim();
          const shown = await run(`echo ${all.join(" ")}`);
          const [, head = "", body = ""] = shown.split(" ");
          assert.ok(body.length > 8 && new Set(shown.split(" ")).size === 3, shown);
          // Of the other one nobody but the sandbox itself could judge the certificate.
          const said = [await run(at("localhost", "")), await run(at("127.0.0.1", "-k"))];
          assert.deepEqual(
            heard,
            [
              {
                host: "localhost",
                head: `${secret}-both ${secret}-head ${body}`,
                body: `${secret}-both ${head} ${secret}-body`,
              },
              { host: "127.0.0.1", head: shown, body: shown },
            ],
            said.join("; "),
          );
          assert.ok(!JSON.stringify([shown, said, await context.list(id)]).includes(secret));
        });
      },
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
