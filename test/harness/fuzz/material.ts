import assert from "node:assert/strict";
import { toFile } from "@anthropic-ai/sdk";
import type { Session } from "../../../src/protocol/sessions.ts";
import { png } from "../../../src/protocol/testing-images.ts";
import type { Ground } from "../refusals.ts";
import { testKey } from "../server.ts";
import { turn } from "../session.ts";
import { filesOf, skillText } from "../skills.ts";
import { type Material, type OpenApi, operationsOf } from "./requests.ts";

/** Of a server that holds one of everything. */
export async function materialOf({ api, facts, session, selfHosted }: Ground): Promise<Material> {
  const openApi = (await (await fetch(`${api.url}/openapi.json`)).json()) as OpenApi;
  const [said] = (await api.client.beta.sessions.events.list(session)).data;
  const hosted = await api.client.beta.sessions.create({ agent: facts.agent_id, environment_id: selfHosted });
  const { work } = hosted as unknown as Session;
  const environmentKey = await api.client.post<{ id: string }>(`/v1/environments/${selfHosted}/keys`, {
    body: {},
  });
  const threads = await api.client.beta.sessions.threads.list(session);
  const text = { type: "text", text: "say hi" };
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: png(8, 8) } };
  const document = {
    type: "document",
    title: "t",
    source: { type: "text", media_type: "text/plain", data: "x" },
  };
  const tools = [
    {
      type: "agent_toolset_20260401",
      configs: [{ name: "bash", permission_policy: { type: "always_ask" } }],
    },
    {
      type: "custom",
      name: "weather",
      description: "Tells it",
      input_schema: { type: "object", properties: {} },
    },
  ];
  const metadata = { owner: "me" };
  const limited = { type: "limited", allowed_hosts: ["example.com"], allow_package_managers: true };
  const cloud = { type: "cloud", networking: limited, packages: { pip: ["numpy"] } };
  const start = { agent: facts.agent_id, environment_id: facts.environment_id };
  const budget = { type: "limit", max_list_cost: { amount: "500", currency: "USD" } };
  const found = {
    type: "search_result",
    title: "t",
    source: "https://example.com",
    content: [text],
    citations: { enabled: true },
  };
  const asked = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Oslo" } };
  const told = { type: "tool_result", tool_use_id: "toolu_1", content: [text], is_error: false };
  const chat = {
    model: "simulated",
    system: [text],
    tools: [{ name: "weather", description: "Tells it", input_schema: { type: "object" } }],
    tool_choice: { type: "auto" },
    messages: [
      { role: "user", content: [text, image, document] },
      { role: "assistant", content: [text, asked] },
      { role: "user", content: [told] },
    ],
  };
  const file = await api.client.files.upload({ file: await toFile(Buffer.from("a,b"), "a.csv") });
  const files = await filesOf("fuzzed-not", { "SKILL.md": skillText("fuzzed-not") });
  const skill = await api.client.beta.skills.create({ files });
  const mounted = { type: "file", file_id: file.id } as const;
  const named = { type: "document", source: mounted };
  const message = { type: "user.message", content: [text, image, document, named] };
  const resource = await api.client.beta.sessions.resources.add(session, mounted);
  const vault = await api.client.beta.vaults.create({ display_name: "v" });
  const bearer = { type: "static_bearer", mcp_server_url: "https://mcp.example.com", token: "t0" } as const;
  const credential = await api.client.beta.vaults.credentials.create(vault.id, { auth: bearer });
  const token_endpoint_auth = { type: "client_secret_post", client_secret: "cs" };
  const refresh = { token_endpoint: "https://auth.example.com/token", client_id: "c", refresh_token: "r" };
  const variable = { type: "environment_variable", secret_name: "API_KEY", secret_value: "s" };
  const nothing = "sevt_01AAAAAAAAAAAAAAAAAAAAAA";
  return {
    operations: operationsOf(openApi),
    key: testKey,
    ids: {
      session_id: session,
      thread_id: threads.data[0]?.id ?? "",
      agent_id: facts.agent_id,
      // One that has all that an environment can have.
      environment_id: selfHosted,
      work_id: work?.id ?? "",
      key_id: environmentKey.id,
      model_id: "a_model",
      file_id: file.id,
      skill_id: skill.id,
      version: skill.latest_version_id,
      resource_id: resource.id,
      vault_id: vault.id,
      credential_id: credential.id,
    },
    bodies: {
      "POST /v1/agents": [
        { name: "a", model: "simulated" },
        {
          name: "a",
          model: { id: "simulated", effort: "low" },
          system: "Be brief.",
          description: "d",
          tools,
          metadata,
        },
      ],
      "POST /v1/agents/{agent_id}": [
        { name: "b", metadata },
        { system: null, tools },
      ],
      "POST /v1/environments": [{ name: "e" }, { name: "e", metadata, config: cloud }],
      "POST /v1/environments/{environment_id}": [{ name: "f", description: "d" }, { metadata }],
      "POST /v1/environments/{environment_id}/keys": [{ name: "k" }],
      "POST /v1/environments/{environment_id}/work/{work_id}": [{ metadata }],
      "POST /v1/environments/{environment_id}/work/{work_id}/stop": [{ force: false }],
      "POST /v1/sessions": [
        { ...start, title: "t", metadata },
        { ...start, agent: { type: "agent", id: facts.agent_id, version: 1 } },
        {
          ...start,
          agent: { type: "agent_with_overrides", id: facts.agent_id, system: "Be brief.", tools },
          initial_events: [message],
        },
        { ...start, budget },
        { ...start, resources: [{ ...mounted, mount_path: "in/a.csv" }, mounted] },
      ],
      "POST /v1/sessions/{session_id}/resources": [{ ...mounted, mount_path: "added.csv" }],
      "POST /v1/sessions/{session_id}": [{ title: "u", metadata }, { agent: { tools } }, { budget: null }],
      "POST /v1/sessions/{session_id}/fork": [{}, { event_id: said?.id, title: "again", metadata }],
      "POST /v1/sessions/{session_id}/events": [
        { events: [message] },
        { events: [{ type: "user.interrupt" }, { type: "user.message", content: [text] }] },
        { events: [message, { type: "system.message", content: [text] }] },
      ],
      "POST /v1/vaults": [{ display_name: "w", metadata }],
      "POST /v1/vaults/{vault_id}": [{ display_name: "x" }, { metadata }],
      "POST /v1/vaults/{vault_id}/credentials": [
        { auth: { ...bearer, mcp_server_url: "https://a.example.com" }, display_name: "c", metadata },
        {
          auth: {
            type: "mcp_oauth",
            mcp_server_url: "https://b.example.com",
            access_token: "a",
            expires_at: "2999-01-01T00:00:00Z",
            refresh: { ...refresh, token_endpoint_auth, scope: "read", resource: "https://b.example.com" },
          },
        },
        { auth: { ...variable, networking: { type: "limited", allowed_hosts: ["example.com"] } } },
        {
          auth: {
            ...variable,
            secret_name: "OTHER_KEY",
            networking: { type: "unrestricted" },
            injection_location: { header: true },
          },
        },
      ],
      "POST /v1/vaults/{vault_id}/credentials/{credential_id}": [
        { auth: { type: "static_bearer", token: "t1" } },
        { display_name: "d", metadata },
      ],
      "POST /v1/messages": [
        { ...chat, max_tokens: 100 },
        { ...chat, max_tokens: 100, stream: true },
      ],
      "POST /v1/messages/count_tokens": [chat],
    },
    forms: {
      "POST /v1/sessions": [
        { ...start, vault_ids: ["vlt_x"], resources: [{ type: "file", file_id: "file_x", mount_path: "a" }] },
        {
          ...start,
          initial_events: [
            { type: "user.define_outcome", description: "d", rubric: { type: "text", content: "r" } },
          ],
        },
      ],
      "POST /v1/vaults/{vault_id}/credentials/{credential_id}": [
        { auth: { type: "mcp_oauth", access_token: "a", refresh: { scope: "", token_endpoint_auth } } },
        { auth: { type: "environment_variable", secret_value: "s", injection_location: { body: true } } },
      ],
      "POST /v1/sessions/{session_id}": [{ budget }, { vault_ids: ["vlt_x"] }],
      "POST /v1/sessions/{session_id}/resources/{resource_id}": [{ authorization_token: "t" }],
      "POST /v1/sessions/{session_id}/events": [
        { events: [{ type: "user.interrupt", session_thread_id: "sthr_01AAAAAAAAAAAAAAAAAAAAAA" }] },
        {
          events: [
            { type: "user.tool_confirmation", tool_use_id: nothing, result: "deny", deny_message: "no" },
          ],
        },
        {
          events: [
            {
              type: "user.custom_tool_result",
              custom_tool_use_id: nothing,
              content: [text, image, document, found],
              is_error: false,
            },
          ],
        },
        { events: [{ type: "user.tool_result", tool_use_id: nothing, content: [found], is_error: true }] },
      ],
    },
  };
}

/** The bodies were good all along, and what they ask for is still done. */
export async function assertStillWorks(
  { api, session }: Ground,
  { bodies, ids, operations }: Material,
): Promise<void> {
  await turn(api.client, session, "say still here");
  for (const { method, path, beta, body } of operations) {
    for (const sample of body ? (bodies[`${method} ${path}`] ?? []) : []) {
      const answer = await fetch(
        api.url + path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? ""),
        {
          method,
          headers: { "x-api-key": testKey, "content-type": "application/json", "anthropic-beta": beta ?? "" },
          body: JSON.stringify(sample),
        },
      );
      assert.equal(answer.status, 200, `${method} ${path}: ${await answer.text()}`);
    }
  }
}
