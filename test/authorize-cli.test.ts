import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { type FakeOAuth, startFakeOAuth } from "./fakes/oauth.ts";
import { type DroverCommand, startCommand } from "./harness/command.ts";
import { freePort } from "./harness/free-port.ts";
import { testKey } from "./harness/headers.ts";
import { longTest } from "./harness/long.ts";
import { calling, errorsIn, mcpTexts, sessionWith } from "./harness/mcp.ts";
import { oauthOf } from "./harness/oauth.ts";
import { startTestServer } from "./harness/server.ts";
import { prepare, turn } from "./harness/session.ts";

const api = await startTestServer({ allow_private_hosts: ["127.0.0.1"] });
after(() => api.close());
const { environment_id } = await prepare(api.client);
const { vaults } = api.client.beta;

let fake: FakeOAuth;
let vault: string;
beforeEach(async () => {
  fake = await startFakeOAuth();
  vault = (await vaults.create({ display_name: "v" })).id;
});
afterEach(() => fake.close());

const started: DroverCommand[] = [];
afterEach(() => {
  for (const { child } of started.splice(0)) child.kill("SIGKILL");
});

function begin(args: string[] = [], env: NodeJS.ProcessEnv = {}): DroverCommand {
  const command = startCommand(["vaults", "authorize", fake.mcp_url, "--vault", vault, ...args], {
    DROVER_BASE_URL: api.url,
    DROVER_API_KEY: testKey,
    ...env,
  });
  started.push(command);
  return command;
}

/** The page that the command wants to have opened. */
async function pageOf(command: DroverCommand): Promise<URL> {
  await command.says(/^ {2}http\S+\n/m);
  return new URL(/^ {2}(http\S+)$/m.exec(command.said())?.[1] ?? assert.fail(command.said()));
}

/** What a browser shows that opens it. */
async function browse(command: DroverCommand): Promise<string> {
  const response = await fetch(await pageOf(command));
  return response.text();
}

async function ends(command: DroverCommand, code: number | null): Promise<string> {
  assert.equal(await command.ended, code, command.said());
  assertNoSecret(command.said());
  return command.said();
}

function assertNoSecret(text: string): void {
  for (const secret of ["access-", "refresh-", "code-", "-of-the-fake", "hush"])
    assert.ok(!text.includes(secret), `${secret} in ${text}`);
}

const credentials = async (include_archived = false) =>
  Array.fromAsync(vaults.credentials.list(vault, { include_archived }));

async function authorized(args: string[] = []) {
  const command = begin(args);
  await browse(command);
  await ends(command, 0);
  const [credential = assert.fail(), ...others] = await credentials();
  assert.deepEqual(others, []);
  assert.ok(credential.auth.type === "mcp_oauth");
  return { ...credential, auth: credential.auth };
}

/** What a session has from the one tool of the MCP server. */
async function look() {
  const toolsets = [{ server: "fake", url: fake.mcp_url }];
  const { id } = await sessionWith(api.client, environment_id, toolsets, { vault_ids: [vault] });
  const events = await turn(api.client, id, calling("fake", "look"));
  return { texts: mcpTexts(events), errors: errorsIn(events) };
}

describe("an MCP server is authorized in the browser", () => {
  test("and a session uses its tools and refreshes its token", async () => {
    fake.settings.challenge = 'Bearer scope="files:read"';
    fake.authorization.settings.metadata = { scopes_supported: ["files:read", "offline_access"] };
    const command = begin(["--name", "Files"]);
    const page = await pageOf(command);
    assert.equal(page.searchParams.get("scope"), "files:read offline_access");
    assert.equal(page.searchParams.get("resource"), fake.mcp_url);
    assert.match(await browse(command), /The terminal says what comes of it/);
    const said = await ends(command, 0);
    const [credential = assert.fail()] = await credentials();
    assert.match(
      said,
      new RegExp(`^credential ${credential.id} in vault ${vault} for ${fake.mcp_url}$`, "m"),
    );
    assert.match(said, /Drover refreshes it from now on/);
    assert.equal(credential.display_name, "Files");
    assert.deepEqual(credential.metadata, { scope: "files:read offline_access" });
    assert.ok(credential.auth.type === "mcp_oauth");
    assert.ok(Date.parse(credential.auth.expires_at ?? "") > Date.now());
    assert.deepEqual(credential.auth.refresh, {
      token_endpoint: fake.token_endpoint,
      client_id: "client-1",
      token_endpoint_auth: { type: "none" },
      scope: null,
      resource: fake.mcp_url,
    });
    const [registered = {}] = fake.authorization.registrations;
    assert.deepEqual(registered.grant_types, ["authorization_code", "refresh_token"]);
    assert.equal(registered.token_endpoint_auth_method, "none");
    fake.expire();
    assert.deepEqual(await look(), { texts: ["it is there"], errors: [] });
    assert.equal(fake.refreshes.length, 1);
    assert.equal(fake.refreshes[0]?.form.get("client_id"), "client-1");
    assert.equal(fake.refreshes[0]?.form.get("scope"), null);
  });

  longTest("which is opened, as one argument, where there is one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "drover-browser-"));
    after(() => rmSync(folder, { recursive: true }));
    const opener = join(folder, "xdg-open");
    const open = "fetch(process.argv[2]).then((answer) => answer.text())";
    writeFileSync(opener, `#!${process.execPath}\n${open}\n`);
    chmodSync(opener, 0o755);
    const env = { DISPLAY: ":9", PATH: `${folder}:${process.env.PATH}` };
    const opened = begin([], env);
    assert.match(await ends(opened, 0), /^your browser opens:/m);
    const not = begin(["--no-browser"], env);
    await browse(not);
    assert.match(await ends(not, 0), /^open in your browser:/m);
  });
});

describe("nothing is stored", () => {
  const isEmpty = async () => assert.deepEqual(await credentials(true), []);
  afterEach(isEmpty);

  test("when the person says no", async () => {
    fake.authorization.settings.denies = true;
    const command = begin();
    assert.match(await browse(command), /Nothing was allowed/);
    const said = await ends(command, 1);
    assert.match(said, /^it was not allowed \(access_denied: not today\)$/m);
  });

  test("when it is interrupted, whatever has come to the port by then", async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const command = begin();
      const callback = (await pageOf(command)).searchParams.get("redirect_uri") ?? "";
      assert.equal((await fetch(`${callback}?code=stolen&state=guessed`)).status, 400);
      command.child.kill(signal);
      assert.match(await ends(command, 130), /^nothing was stored$/m);
      await assert.rejects(fetch(callback));
    }
    assert.equal(fake.authorization.tokens.length, 0);
  });

  longTest("when it is interrupted while Drover does not answer", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const command = begin([], { DROVER_BASE_URL: `http://127.0.0.1:${port}` });
    await once(silent, "request");
    command.child.kill("SIGINT");
    assert.match(await ends(command, 130), /^nothing was stored$/m);
    silent.closeAllConnections();
    silent.close();
  });

  test("when nobody comes back in time", async () => {
    const command = begin(["--wait", "1"]);
    assert.match(await ends(command, 1), /nobody has come back from the browser in 1 s/);
  });

  longTest("when no credential can be called so", async () => {
    for (const name of ["", "x".repeat(256)])
      assert.match(await ends(begin(["--name", name]), 2), /must be 1 to 255 characters/);
    assert.equal(fake.calls.length, 0);
  });

  longTest("when the port is taken", async () => {
    const port = await freePort();
    const other = createServer().listen(port, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const command = begin(["--port", String(port)]);
    assert.match(
      await ends(command, 1),
      new RegExp(`port ${port} .* another program does; --port names another one`),
    );
    other.close();
  });
});

test("a session is told which scope is missing, and has it after another authorization", async () => {
  await authorized();
  const wanted = 'Bearer error="insufficient_scope", scope="files:write"';
  fake.settings.onCall = ({ rpc }) =>
    rpc.method === "tools/call" ? { status: 403, headers: { "www-authenticate": wanted } } : null;
  const { texts, errors } = await look();
  assert.match(texts[0] ?? "", /it wants one with the scope "files:write"/);
  assert.equal(errors[0]?.type, "mcp_authentication_failed_error");
  assert.match(errors[0]?.message ?? "", /it wants one with the scope "files:write"/);
  fake.settings.onCall = () => null;
  await authorized(["--scope", "files:write"]);
  assert.deepEqual((await look()).texts, ["it is there"]);
});

longTest("a credential that is archived while the browser is open is no hindrance", async () => {
  const known = ["--client-id", "me"];
  const { id } = await authorized(known);
  const command = begin(known);
  await pageOf(command);
  await vaults.credentials.archive(id, { vault_id: vault });
  await browse(command);
  await ends(command, 0);
  const found = await credentials(true);
  assert.deepEqual(found.map((each) => [each.id === id, each.archived_at === null]).sort(), [
    [false, true],
    [true, false],
  ]);
});

test("vaults are made and listed with what is in them", async () => {
  const env = { DROVER_BASE_URL: api.url, DROVER_API_KEY: testKey };
  const made = startCommand(["vaults", "create", "\u001b[31mr\u009b1med\u202e\u{e0041}"], env);
  assert.equal(await made.ended, 0, made.said());
  const id = /^(vlt_\w+)\n$/.exec(made.said())?.[1] ?? assert.fail(made.said());
  const auth = oauthOf(fake, { expires_at: "2100-01-01T00:00:00Z" });
  await vaults.credentials.create(id, { auth, display_name: "Files" });
  const listed = startCommand(["vaults", "show", id], env);
  assert.equal(await listed.ended, 0, listed.said());
  assert.match(listed.said(), new RegExp(`^id +${id}\nname +␛\\[31mr␛1med<U\\+202E><U\\+E0041>\n`));
  assert.match(listed.said(), /\nvcrd_\w+ +mcp_oauth +http.* {2}in \d+d, refreshed {2}Files\n/);
  assertNoSecret(listed.said());
});
