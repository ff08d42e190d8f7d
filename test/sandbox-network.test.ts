import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Egress, startEgress } from "../src/egress/egress.ts";
import { connectHands } from "../src/hands/one-host.ts";
import { plainSpec } from "../src/hands/plain-spec.ts";
import { finished, never, request, shell, textOf } from "../src/hands/testing-host.ts";
import type { SandboxSpec } from "../src/hands/wire.ts";
import type { NetworkUse } from "../src/protocol/network-use.ts";
import { certificateOf } from "./harness/egress.ts";
import { scraped } from "./harness/metrics.ts";
import { ownAddress } from "./harness/public-hosts.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import {
  type Facts,
  isOf,
  newSession,
  prepare,
  resultsIn,
  type StreamEvent,
  turn,
} from "./harness/session.ts";

/** Of the loopback, an address of this process's own: all names lead there, and it is the one private address that is open. */
const upstream = ownAddress();
const elsewhere = "127.0.0.2";

const asRoot = process.getuid?.() === 0;
const networkOf = (events: StreamEvent[]): NetworkUse | undefined =>
  events.filter(isOf("agent.tool_result")).map((event) => (event as { network?: NetworkUse }).network)[0];

describe("the network of a session's sandbox", () => {
  let api: TestServer;
  let egress: Egress;
  let folder: string;
  let facts: Facts;
  let ca: string;
  const servers: Server[] = [];
  const ports = { http: 0, https: 0 };
  /** Files that the upstream hands out, by path. */
  const files = new Map<string, Buffer>();

  const answer: RequestListener = (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://here");
    const file = files.get(pathname);
    response.end(file ?? `${request.headers.host}${request.url}\n`);
  };

  async function listen(server: Server, port: number): Promise<number> {
    servers.push(server);
    await once(server.listen(port, upstream), "listening");
    return (server.address() as AddressInfo).port;
  }

  before(async () => {
    api = await startTestServer({ metrics: true });
    folder = mkdtempSync(join(tmpdir(), "drover-upstream-"));
    const tls = await certificateOf(folder, "a.test");
    ca = tls.ca;
    ports.http = await listen(createHttpServer(answer), asRoot ? 80 : 0);
    ports.https = await listen(createHttpsServer(tls, answer), asRoot ? 443 : 0);
    egress = await startEgress({
      socket_path: join(api.hands.folder, "egress.sock"),
      allow_private_hosts: [upstream],
      package_hosts: [],
      resolve: async (name) => [name === "inner.test" ? elsewhere : upstream],
    });
    facts = await prepare(api.client);
  });
  after(async () => {
    await api.close();
    await egress.close();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const http = (host: string) => `http://${host}:${ports.http}/`;

  async function sessionIn(networking: object) {
    const { id: environment_id } = await api.client.beta.environments.create({
      name: "networked",
      config: { type: "cloud", networking: networking as { type: "unrestricted" } },
    });
    return newSession(api.client, { ...facts, environment_id });
  }
  const limited = (more: object = {}) => sessionIn({ type: "limited", ...more });

  /** What a command says in a new turn of that session, and what it used of the network. */
  async function run(id: string, command: string) {
    const events = await turn(api.client, id, `bash ${command}`);
    return { said: resultsIn(events)[0] ?? "", network: networkOf(events) };
  }

  test("limited: a host that is not listed is refused in words, and the log says so", async () => {
    const { id } = await limited({ allowed_hosts: ["a.test", "*.b.test"] });
    const refused = await run(id, `curl -sS -w '%{http_code}' ${http("c.test")}`);
    assert.match(refused.said, /c\.test.*allowed_hosts.*whoever manages the environment can add it.*403$/s);
    assert.deepEqual(
      refused.network?.refused.map(({ host, port, count }) => ({ host, port, count })),
      [{ host: "c.test", port: ports.http, count: 1 }],
    );
    assert.match(refused.network?.refused[0]?.reason ?? "", /allowed_hosts/);
    const listed = await run(id, `curl -sS ${http("a.test")}; curl -sS ${http("x.y.b.test")}`);
    assert.equal(listed.said, `a.test:${ports.http}/\nx.y.b.test:${ports.http}/`.replaceAll(":80/", "/"));
    assert.deepEqual([listed.network?.connections, listed.network?.refused], [2, []]);
    assert.equal((await run(id, "true")).network, undefined);
    assert.equal((await run(id, `curl -sS -o /dev/null -w '%{http_code}' ${http("b.test")}`)).said, "403");
    const over = await run(id, `curl -sS https://c.test:${ports.https}/`);
    assert.match(over.said, /403/);
    const counted = await scraped(api.server.metrics_url);
    assert.ok((counted.get("drover_sandbox_refusals_total") ?? 0) >= 3);
    assert.ok((counted.get('drover_sandbox_bytes_total{direction="received"}') ?? 0) > 0);
  });

  const registry = "registry.npmjs.org";
  /** What each of these hosts answers. */
  async function answers(id: string, ...hosts: string[]): Promise<string> {
    const urls = hosts.map(http).join(" ");
    const each = `for url in ${urls}; do curl -sS -o /dev/null -w '%{http_code} ' $url; done`;
    return (await run(id, each)).said.trim();
  }

  test("limited: the registries of package managers are open by their flag alone", async () => {
    assert.equal(await answers((await limited()).id, registry), "403");
    assert.equal(await answers((await limited({ allow_package_managers: true })).id, registry), "200");
  });

  test("limited: the hosts of the agent's MCP servers are open by their flag alone", async () => {
    const agent = await api.client.beta.agents.create({
      name: "with servers",
      model: "simulated",
      mcp_servers: ["http://mcp.test:8443/sse", "https://tools.test/mcp"].map((url, i) => ({
        type: "url",
        name: `server-${i}`,
        url,
      })),
      tools: [0, 1].map((i) => ({ type: "mcp_toolset", mcp_server_name: `server-${i}` })),
    });
    /** Its servers alone, without the toolsets: nobody asks them for their tools. */
    async function withServers(networking: object): Promise<string> {
      const { id } = await limited(networking);
      const text =
        "update session set agent = jsonb_set(agent::jsonb, '{mcp_servers}', $2::jsonb) where id = $1 returning id";
      const given = await api.db.query({ name: "give_servers", text }, [
        id,
        JSON.stringify(agent.mcp_servers),
      ]);
      assert.equal(given.length, 1);
      return id;
    }
    const hosts = ["mcp.test", "tools.test", "sub.mcp.test", "a.test", registry];
    assert.equal(await answers(await withServers({}), ...hosts), "403 403 403 403 403");
    const flag = { allow_mcp_servers: true };
    assert.equal(await answers(await withServers(flag), ...hosts), "200 200 403 403 403");
    assert.equal(await answers((await limited(flag)).id, ...hosts), "403 403 403 403 403");
    const both = { ...flag, allowed_hosts: ["a.test"], allow_package_managers: true };
    assert.equal(await answers(await withServers(both), ...hosts), "200 200 403 200 200");
    const other = { allow_package_managers: true };
    assert.equal(await answers(await withServers(other), ...hosts), "403 403 403 403 200");
  });

  test("a session goes on in the network that its environment had when the session was created", async () => {
    const { environments } = api.client.beta;
    const session = await limited({ allowed_hosts: ["a.test"] });
    const { environment_id } = session;
    const hosts = ["a.test", "b.test", registry];
    assert.equal(await answers(session.id, ...hosts), "200 403 403");
    await environments.update(environment_id, {
      config: {
        type: "cloud",
        networking: { type: "limited", allowed_hosts: ["b.test"], allow_package_managers: true },
      },
    });
    assert.equal(await answers(session.id, ...hosts), "200 403 403");
    const later = await newSession(api.client, { ...facts, environment_id });
    assert.equal(await answers(later.id, ...hosts), "403 200 200");
  });

  test("unrestricted: what is nobody's on the internet stays out of reach", async () => {
    const { id } = await sessionIn({ type: "unrestricted" });
    assert.match((await run(id, `curl -sS ${http("any.test")}`)).said, /^any\.test/);
    const closed = [
      "10.0.0.1",
      "192.168.1.1",
      "169.254.169.254",
      "inner.test",
      elsewhere,
      "[::ffff:10.0.0.1]",
    ];
    const urls = closed.map((host) => `http://${host}:${ports.http}/`).join(" ");
    const { said, network } = await run(
      id,
      `for url in ${urls}; do curl -gsS -o /dev/null -w '%{http_code} ' $url; done`,
    );
    assert.equal(said.trim(), closed.map(() => "403").join(" "));
    assert.equal(network?.refused.length, closed.length);
  });

  test("a sandbox that has used what it may is refused with the setting that says so", async (t) => {
    const hands = connectHands({ socket_path: api.hands.socket });
    t.after(() => hands.close());
    const spec: SandboxSpec = {
      ...plainSpec,
      network: { type: "unrestricted" },
      limits: { ...plainSpec.limits, network_bytes: 1 << 20 },
    };
    files.set("/large", Buffer.alloc(2 << 20));
    const curl = async (path: string) => {
      const command = shell(`curl -s -o got -w '%{http_code} ' ${http("a.test")}${path}; tail -c 200 got`);
      return finished(await hands.execute(request("used", command, { spec }), never));
    };
    assert.doesNotMatch(textOf(await curl("large")), /403/);
    const refused = await curl("");
    assert.match(textOf(refused), /^403 .*sandboxes\.network\.bytes_max_mb/s);
    assert.deepEqual(
      refused.network?.refused.map(({ host, port }) => ({ host, port })),
      [{ host: "a.test", port: ports.http }],
    );
  });

  test("programs that heed no proxy reach hosts by name", {
    skip: !asRoot && "needs ports 80 and 443",
  }, async () => {
    const { id } = await limited({ allowed_hosts: ["a.test"] });
    const plain = `exec 3<>/dev/tcp/a.test/80; printf 'GET /plain HTTP/1.1\\r\\nHost: a.test\\r\\nConnection: close\\r\\n\\r\\n' >&3; grep plain <&3`;
    assert.equal((await run(id, plain)).said, "a.test/plain");
    writeFileSync(api.workspace(id).path("ca.crt"), ca, { mode: 0o644 });
    const tls = (host: string) => `curl -sS --noproxy '*' --cacert ca.crt https://${host}/tls 2>&1`;
    assert.equal((await run(id, tls("a.test"))).said, "a.test/tls");
    const refused = await run(id, tls("c.test"));
    assert.match(refused.said, /curl: \(35\)|curl: \(56\)|SSL/);
    assert.deepEqual(
      refused.network?.refused.map(({ host, port }) => ({ host, port })),
      [{ host: "c.test", port: 443 }],
    );
  });
});
