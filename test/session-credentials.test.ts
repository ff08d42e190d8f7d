import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { CredentialCreateParams } from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import { type Egress, startEgress } from "../src/egress/egress.ts";
import { startFakeMcp } from "./fakes/mcp.ts";
import { certificateOf, listen, upstreamAddress } from "./harness/egress.ts";
import { calling, errorsIn, mcpTexts } from "./harness/mcp.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, newSession, prepare, resultsIn, turn } from "./harness/session.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-credentials-"));
chmodSync(folder, 0o711);
const vault_socket = join(folder, "vault.sock");
const tls = await certificateOf(folder, "api.test", "other.test", upstreamAddress);
const secret = "sk-ant-the-real-secret-that-no-program-sees";

let api: TestServer;
let egress: Egress;
let facts: Facts;
let port = 0;
const heard: { host: string; url: string; headers: IncomingHttpHeaders; body: string }[] = [];

const upstream = createServer(tls, async (request, response) => {
  const { headers, url = "" } = request;
  const body = await text(request);
  heard.push({ host: headers.host ?? "", url, headers, body });
  response.end(`${headers.authorization ?? "nobody"} ${body}`);
});

before(async () => {
  port = await listen(upstream);
  api = await startTestServer({ vault_socket, allow_private_hosts: ["127.0.0.1"] });
  egress = await startEgress({
    socket_path: join(api.hands.folder, "egress.sock"),
    vault_socket,
    believed_ms: 200,
    authorities: [tls.ca],
    allow_private_hosts: [upstreamAddress],
    package_hosts: [],
    resolve: async () => [upstreamAddress],
  });
  facts = await prepare(api.client);
});
after(async () => {
  await api.close();
  await egress.close();
  upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

type Variable = Omit<
  Extract<CredentialCreateParams["auth"], { type: "environment_variable" }>,
  "type" | "networking"
> & { allowed_hosts?: string[] };

async function vaultWith(...variables: Variable[]) {
  const { id } = await api.client.beta.vaults.create({ display_name: "test" });
  const ids: string[] = [];
  for (const { allowed_hosts, ...variable } of variables) {
    const networking = allowed_hosts
      ? { type: "limited" as const, allowed_hosts }
      : { type: "unrestricted" as const };
    const auth = { type: "environment_variable" as const, networking, ...variable };
    ids.push((await api.client.beta.vaults.credentials.create(id, { auth })).id);
  }
  return { id, ids };
}

const sessionWith = (...vault_ids: string[]) =>
  api.client.beta.sessions.create({
    agent: facts.agent_id,
    environment_id: facts.environment_id,
    vault_ids,
  });

/** What each command says, in one turn. */
async function run(id: string, ...commands: string[]): Promise<string[]> {
  const events = await turn(api.client, id, commands.map((each) => `bash ${each}`).join("\nthen\n"));
  assert.ok(!JSON.stringify(events).includes(secret), "no event shows the secret");
  return resultsIn(events).map((said) => said.trimEnd());
}

/** By the proxy, of which its `fetch` may know nothing. It trusts whom Node trusts. */
const nodeProgram = (host: string) =>
  `const { hostname, port } = new URL(process.env.https_proxy);
  require("http").request({ hostname, port, method: "CONNECT", path: "${host}" }).on("connect", (_, socket) => {
    const headers = { authorization: "Bearer " + process.env.API_KEY, host: "${host}" };
    const createConnection = () => require("tls").connect({ socket, servername: "api.test" });
    require("https").get({ path: "/node", headers, createConnection }, (answer) => answer.pipe(process.stdout));
  }).end()`.replaceAll(/\n\s*/g, " ");

const at = (host: string) => `https://${host}:${port}`;
const bearer = '-H "Authorization: Bearer $API_KEY"';

describe("a secret of a vault", () => {
  test("stands as a placeholder in the sandbox, and reaches the hosts that it is for", async () => {
    const vault = await vaultWith({
      secret_name: "API_KEY",
      secret_value: secret,
      allowed_hosts: ["api.test"],
    });
    const { id } = await sessionWith(vault.id);
    heard.length = 0;
    const [shown = "", allowed, other] = await run(
      id,
      "printenv API_KEY",
      `curl -sS ${bearer} -d "key=$API_KEY" ${at("api.test")}/a`,
      `curl -sSk ${bearer} ${at("other.test")}/b`,
    );
    assert.match(shown, /^sk-ant-[A-Za-z0-9]+$/);
    assert.equal(shown.length, secret.length);
    assert.deepEqual(
      heard.map(({ host, headers, body }) => [host, headers.authorization, body]),
      [
        [`api.test:${port}`, `Bearer ${secret}`, `key=${secret}`],
        [`other.test:${port}`, `Bearer ${shown}`, ""],
      ],
    );
    // The host has said it again, and it is a placeholder once more.
    assert.equal(allowed, `Bearer ${shown} key=${shown}`);
    assert.equal(other, `Bearer ${shown}`);
  });

  test("is put into the places that its credential names, and into no other", async () => {
    const vault = await vaultWith(
      { secret_name: "HEAD", secret_value: `${secret}-h`, injection_location: { header: true } },
      { secret_name: "BODY", secret_value: `${secret}-b`, injection_location: { body: true } },
    );
    const { id } = await sessionWith(vault.id);
    heard.length = 0;
    const [head, body] =
      (
        await run(
          id,
          'echo "$HEAD $BODY"',
          `curl -sS -H "x-head: $HEAD" -H "x-body: $BODY" -d "$HEAD $BODY" ${at("api.test")}/a`,
        )
      )[0]?.split(" ") ?? [];
    assert.deepEqual(
      heard.map(({ headers, body }) => [headers["x-head"], headers["x-body"], body]),
      [[`${secret}-h`, body, `${head} ${secret}-b`]],
    );
  });

  test("that is rotated or archived is so in sandboxes that run", async () => {
    const vault = await vaultWith({ secret_name: "API_KEY", secret_value: secret });
    const { id } = await sessionWith(vault.id);
    const used = async () => {
      // Where none is used, its own certificate is what the host shows, which nobody here knows.
      await run(id, `curl -sSk ${bearer} ${at("api.test")}/a`);
      return heard.at(-1)?.headers.authorization;
    };
    const until = async (expected: string) => {
      while ((await used()) !== expected) await pause(50);
    };
    const [shown = ""] = await run(id, "printenv API_KEY");
    assert.equal(await used(), `Bearer ${secret}`);
    const auth = { type: "environment_variable" as const, secret_value: `${secret}-rotated` };
    const at_vault = { vault_id: vault.id };
    await api.client.beta.vaults.credentials.update(vault.ids[0] ?? "", { ...at_vault, auth });
    await until(`Bearer ${secret}-rotated`);
    assert.deepEqual(await run(id, "printenv API_KEY"), [shown]);
    await api.client.beta.vaults.credentials.archive(vault.ids[0] ?? "", at_vault);
    await until(`Bearer ${shown}`);
  });

  test("serves every usual program, each by the way in which it trusts", async () => {
    const vault = await vaultWith({ secret_name: "API_KEY", secret_value: secret });
    const { id } = await sessionWith(vault.id);
    heard.length = 0;
    const url = `${at("api.test")}/`;
    const said = await run(
      id,
      `wget -qO- --header "Authorization: Bearer $API_KEY" ${url}wget`,
      `node -e '${nodeProgram(`api.test:${port}`)}'`,
      `python3 -c 'import os,urllib.request as u; print(u.urlopen(u.Request("${url}python", headers={"Authorization": "Bearer " + os.environ["API_KEY"]})).read().decode())'`,
      `env -i PATH="$PATH" https_proxy=$https_proxy curl -sS -H "Authorization: Bearer $API_KEY" ${url}curl`,
    );
    assert.deepEqual(
      heard.map(({ url, headers }) => [url, headers.authorization]),
      ["/wget", "/node", "/python", "/curl"].map((each) => [each, `Bearer ${secret}`]),
      said.join("\n"),
    );
  });

  test("is nowhere in the sandbox, and neither is what its host is known by", async () => {
    const vault = await vaultWith({ secret_name: "API_KEY", secret_value: secret });
    const { id } = await sessionWith(vault.id);
    await run(id, `curl -sS ${bearer} ${at("api.test")}/ > answer; sleep 1000 & true`);
    const [row] = await api.db.query<{ secret: string; workspace_id: string }>(
      { name: "test_pass", text: "select secret, workspace_id from session_pass where session_id = $1" },
      [id],
    );
    const place = { table: "session_pass", column: "secret", workspace_id: row?.workspace_id ?? "", id };
    const { pass } = JSON.parse(await api.seal.open(row?.secret ?? "", place));
    writeFileSync(api.workspace(id).path("wanted"), `${pass}\n${secret}\n`, { mode: 0o644 });
    const places =
      "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /run /etc /tmp /home /mnt /dev/shm /workspace/answer";
    assert.deepEqual(await run(id, `grep -rlsaFf wanted -D skip ${places} || echo nowhere`), ["nowhere"]);
  });

  test("that a file of the sandbox holds all the same is not shown by any tool", async () => {
    const vault = await vaultWith({ secret_name: "API_KEY", secret_value: secret });
    const { id } = await sessionWith(vault.id);
    const [shown = ""] = await run(id, "printenv API_KEY");
    writeFileSync(api.workspace(id).path("leak"), `it is ${secret}.\n`, { mode: 0o644 });
    const events = await turn(
      api.client,
      id,
      'bash cat leak\nbash yes "$(cat leak)" | head -n 5000\ncall read {"file_path": "/workspace/leak"}\ncall grep {"pattern": "it is", "path": "/workspace", "output_mode": "content"}',
    );
    assert.ok(!JSON.stringify(events).includes(secret));
    const results = resultsIn(events);
    assert.equal(results.length, 4);
    for (const said of results) assert.ok(said.includes(shown), said.slice(0, 200));
  });

  test("that an MCP server has come to know is in nothing that it says", async (t) => {
    const mcp = await startFakeMcp([{ name: "look", run: () => `has ${secret}.` }]);
    t.after(() => mcp.close());
    const agent = await api.client.beta.agents.create({
      name: "with an MCP server",
      model: "simulated",
      mcp_servers: [{ type: "url", name: "one", url: mcp.url }],
      tools: [
        { type: "agent_toolset_20260401" },
        {
          type: "mcp_toolset",
          mcp_server_name: "one",
          default_config: { permission_policy: { type: "always_allow" } },
        },
      ],
    });
    const vault = await vaultWith({ secret_name: "API_KEY", secret_value: secret });
    const { id } = await api.client.beta.sessions.create({
      agent: agent.id,
      environment_id: facts.environment_id,
      vault_ids: [vault.id],
    });
    assert.equal((await run(id, "printenv API_KEY"))[0]?.length, secret.length);
    const { run: look } = mcp.tools[0] ?? {};
    mcp.tools = [{ name: "look", description: `Knows ${secret}.`, ...(look && { run: look }) }];
    mcp.raw.push({ name: `odd ${secret}`, inputSchema: 5 });
    await mcp.sayChanged();
    const events = [
      ...(await turn(api.client, id, calling("one", "look"))),
      ...(await turn(api.client, id, calling("one", "look"))),
    ];
    assert.match(mcpTexts(events).join(), /^has sk-ant-[^.]+\./);
    assert.match(JSON.stringify(errorsIn(events)), /tools that cannot be used/);
    const log = { name: "whole_log", text: "select body from event where session_id = $1" };
    const entries = JSON.stringify(await api.db.query(log, [id]));
    assert.match(entries, /"Knows sk-ant-[^.]+\./);
    assert.ok(!entries.includes(secret));
  });

  test("is another session's by another placeholder alone, and of a session without vaults there is none", async () => {
    const vault = await vaultWith({ secret_name: "API_KEY", secret_value: secret });
    const [one, other] = [await sessionWith(vault.id), await sessionWith(vault.id)];
    const [[mine = ""], [theirs = ""]] = [
      await run(one.id, "printenv API_KEY"),
      await run(other.id, "printenv API_KEY"),
    ];
    assert.notEqual(mine, theirs);
    heard.length = 0;
    await run(one.id, `curl -sS -H "Authorization: Bearer ${theirs}" ${at("api.test")}/`);
    assert.equal(heard[0]?.headers.authorization, `Bearer ${theirs}`);
    const { id } = await newSession(api.client, facts);
    assert.deepEqual(
      await run(id, "printenv API_KEY SSL_CERT_FILE; ls -d /run/trust 2>/dev/null; echo none"),
      ["none"],
    );
    const [{ n } = { n: -1 }] = await api.db.query<{ n: number }>(
      { name: "test_passes", text: "select count(*)::int as n from session_pass where session_id = $1" },
      [id],
    );
    assert.equal(n, 0);
  });

  test("keeps its placeholder when its sandbox is made anew, and a new variable comes with that one", async () => {
    const vault = await vaultWith({ secret_name: "API_KEY", secret_value: secret });
    const { id } = await sessionWith(vault.id);
    const [shown = ""] = await run(id, "printenv API_KEY");
    await api.client.beta.vaults.credentials.create(vault.id, {
      auth: {
        type: "environment_variable",
        secret_name: "LATER",
        secret_value: "another real secret",
        networking: { type: "unrestricted" },
      },
    });
    assert.deepEqual(await run(id, "printenv API_KEY LATER; true"), [shown]);
    await api.hands.replace();
    const [again = ""] = await run(id, "printenv API_KEY LATER");
    assert.match(again, new RegExp(`^${shown}\n[A-Za-z0-9]{24}`));
    heard.length = 0;
    await run(id, `curl -sS ${bearer} ${at("api.test")}/`);
    assert.equal(heard[0]?.headers.authorization, `Bearer ${secret}`);
  });
});

test("a credential for a host that the environment does not let through is told of once in each run", async () => {
  const vault = await vaultWith(
    { secret_name: "CLOSED", secret_value: secret, allowed_hosts: ["api.test", "closed.test"] },
    {
      secret_name: "OPEN",
      secret_value: secret,
      allowed_hosts: ["api.test", "*.sub.test", "registry.npmjs.org"],
    },
    { secret_name: "ANY", secret_value: secret },
  );
  const allowed_hosts = ["api.test", "a.sub.test"];
  const environment = await api.client.beta.environments.create({
    name: "limited",
    config: { type: "cloud", networking: { type: "limited", allowed_hosts, allow_package_managers: true } },
  });
  const { id } = await api.client.beta.sessions.create({
    agent: facts.agent_id,
    environment_id: environment.id,
    vault_ids: [vault.id],
  });
  for (let n = 1; n <= 2; n += 1) {
    const events = await turn(api.client, id, "bash true\nthen\nsay done");
    const [error, ...others] = events.flatMap((event) =>
      event.type === "session.error" ? [event.error] : [],
    );
    assert.deepEqual(others, []);
    assert.ok(error?.type === "credential_host_unreachable_error");
    assert.deepEqual([error.credential_id, error.vault_id], [vault.ids[0], vault.id]);
    assert.match(error.message, /CLOSED is for closed\.test, which/);
    assert.equal(resultsIn(events).length, 1);
  }
});
