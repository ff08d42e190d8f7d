import assert from "node:assert/strict";
import { once } from "node:events";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { answerOf, requestOf } from "../src/models/model.spec.ts";
import type { ModelMessage } from "../src/models/model.ts";
import { wholeReply } from "../src/models/wire.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";
import { createGuard, type Guard } from "../src/net/guard.ts";
import { createReach, type ReachOptions } from "../src/net/reach.ts";
import { createRepositories } from "../src/repositories/fetch.ts";
import { openWorkingCopies } from "../src/repositories/working-copies.ts";
import { createConnections } from "../src/tools/mcp/connections.ts";
import { createWebTools } from "../src/tools/web/web.ts";
import { probeMcp } from "../src/vault/mcp-probe.ts";
import { askTokenEndpoint } from "../src/vault/oauth.ts";
import { startFakeUpstream } from "./fakes/upstream.ts";

/**
 * Whoever names an address that the server itself asks (a model, an agent, a page, a client) reaches nothing by it that is not
 * public: neither at once nor by a redirect, a name that leads there, or one that leads elsewhere the second time.
 */

/** What must never be asked, and what may be: 127.0.0.2 stands for the public internet. On one port. */
const heard = { inside: [] as string[], outside: [] as string[] };
const serverThat = (side: keyof typeof heard) =>
  createServer((request, response) => {
    heard[side].push(request.url ?? "");
    // Where to and how is in the path, behind what tools add to it.
    const [, status = "200", to = ""] = /\/to\/(\d+)\/([^/?]+)/.exec(request.url ?? "") ?? [];
    response.writeHead(Number(status), to === "" ? {} : { location: decodeURIComponent(to) });
    response.end(`it is ${side}`);
  });
const inside = serverThat("inside");
const outside = serverThat("outside");
const folder = mkdtempSync(join(tmpdir(), "drover-requests-"));
let port = 0;

before(async () => {
  await once(inside.listen(0, "127.0.0.1"), "listening");
  port = (inside.address() as AddressInfo).port;
  await once(outside.listen(port, "127.0.0.2"), "listening");
});
after(() => {
  for (const server of [inside, outside]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  for (const side of [heard.inside, heard.outside]) side.length = 0;
});

interface Means {
  guard: Guard;
  reach: ReachOptions;
}

/** What the server asks of addresses that others chose. Answers what is said of it; nothing of what was there may be in that. */
const kinds: Record<string, (url: string, means: Means) => Promise<unknown>> = {
  async web_fetch(url, { guard }) {
    const askModel = () => assert.fail("no model is asked");
    const web = createWebTools({ guard, search: null, askModel });
    const use = {
      config: {},
      conversation: { user: [], server: [], client: [] } as never,
      signal: new AbortController().signal,
    };
    const result = await web.run({ name: "web_fetch", input: { url }, starts: 0 }, use);
    web.close();
    return result;
  },
  "an OAuth token endpoint": (url, { guard }) =>
    askTokenEndpoint(guard, {
      token_endpoint: url,
      client_id: "c",
      client_secret: null,
      method: "none",
      refresh_token: "refresh-token",
      scope: null,
      resource: null,
      hidden: [],
    }),
  "the MCP server of a credential that is validated": (url, { guard }) =>
    probeMcp(guard, { url, token: "access-token", version: "0", secrets: [] }),
  async "the MCP server of an agent"(url, { guard }) {
    const bearers = { find: async () => null, renew: async () => null, note() {} };
    const connections = createConnections({ guard, bearers, version: "0", elicitation: "decline" });
    const scope = { workspace_id: "w", session_id: "s" };
    const held = connections.hold(scope, { name: "fake", url }, () => {});
    const said = await held.connected(new AbortController().signal).then(
      () => assert.fail("it was connected"),
      (error) => String(error),
    );
    held.letGo();
    await connections.close();
    return said;
  },
  async "a repository"(url, { reach }) {
    const { origin } = new URL(url);
    const repositories = createRepositories({
      hosts: [{ url: origin }],
      reach: createReach(reach),
      copies: openWorkingCopies(mkdtempSync(join(folder, "copies-"))),
    });
    const wanted = { url, token: "repository-token", checkout: null };
    const options = { signal: new AbortController().signal, onLine() {} };
    return repositories.fetch(wanted, options, async () => assert.fail("it was fetched"));
  },
};

/** `answers`: what a name leads to, one time after the other, and then always as the last time. */
function meansThat(answers: string[][]): Means {
  const left = [...answers];
  const resolve = async () => (left.length > 1 ? left.shift() : left[0]) ?? [];
  const reach = { allow_private_hosts: ["127.0.0.2"], resolve };
  return { guard: createGuard(reach), reach };
}

const never = () => assert.deepEqual(heard.inside, []);

for (const [name, ask] of Object.entries(kinds)) {
  describe(name, () => {
    async function asked(url: string, answers: string[][] = []) {
      const means = meansThat(answers);
      const said = JSON.stringify(await ask(url, means));
      await means.guard.close();
      never();
      assert.ok(!said.includes("it is inside"), said);
      return said;
    }

    test("is not asked at private addresses, this machine's and those where clouds tell secrets", async () => {
      for (const host of [
        ...["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1"],
        ...["192.168.0.1", "172.16.0.1", "[fd00::1]", "[fe80::1]"],
        ...["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16"],
      ])
        await asked(`http://${host}:${port}/owner/name`);
      assert.deepEqual(heard.outside, []);
    });

    test("is not asked by a name that leads there, with however many others", async () => {
      for (const answers of [["127.0.0.1"], ["::1"], ["127.0.0.2", "127.0.0.1"], ["169.254.169.254"], []])
        await asked(`http://name.example:${port}/owner/name`, [answers]);
      for (const local of ["localhost", "metadata.google.internal"])
        await asked(`http://${local}:${port}/owner/name`, [["127.0.0.1"]]);
      assert.deepEqual(heard.outside, []);
    });

    test("is asked at the address that was judged, though the name leads elsewhere by then", async () => {
      await asked(`http://name.example:${port}/owner/name`, [["127.0.0.2"], ["127.0.0.1"]]);
      assert.notEqual(heard.outside.length, 0);
    });

    test("leads nowhere by a redirect", async () => {
      for (const status of [301, 302, 303, 307, 308])
        for (const to of [
          `http://127.0.0.1:${port}/`,
          `http://[::1]:${port}/`,
          `http://inner.example:${port}/`,
          `//127.0.0.1:${port}/`,
          "http://169.254.169.254/latest/meta-data/",
          "file:///etc/passwd",
        ]) {
          const path = `to/${status}/${encodeURIComponent(to)}`;
          await asked(`http://127.0.0.2:${port}/${path}`, [["127.0.0.1"]]);
          // And one step later, by a host whose name leads elsewhere the second time.
          const again = encodeURIComponent(`http://outer.example:${port}/${path}`);
          await asked(`http://outer.example:${port}/to/${status}/${again}`, [["127.0.0.2"], ["127.0.0.1"]]);
        }
      assert.notEqual(heard.outside.length, 0);
    });
  });
}

test("pages that a search has found are shown, and not asked", async () => {
  const results = [{ url: `http://127.0.0.1:${port}/found`, title: "Found", content: "It is there." }];
  const engine = await startFakeUpstream(() => ({
    headers: { "content-type": "application/json" },
    chunks: [JSON.stringify({ results })],
  }));
  const { guard } = meansThat([]);
  const search = { provider: "searxng", url: engine.url } as const;
  const web = createWebTools({ guard, search, askModel: () => assert.fail() });
  const use = { config: {}, conversation: {} as never, signal: new AbortController().signal };
  const { content } = await web.run({ name: "web_search", input: { query: "otters" }, starts: 0 }, use);
  assert.match(JSON.stringify(content), /It is there/);
  never();
  web.close();
  await guard.close();
  await engine.close();
});

describe("images and documents by URL are for the model's provider: this server does not ask for them", () => {
  for (const { name, wire, modelId, model } of allWired) {
    test(name, async () => {
      const url = `http://127.0.0.1:${port}`;
      const media = [
        { type: "image", source: { type: "url", url: `${url}/a.png` } },
        { type: "image", source: { type: "url", url: `${url}/a` } },
        { type: "document", source: { type: "url", url: `${url}/a.pdf` } },
      ] as const;
      const messages: ModelMessage[] = [
        { role: "user", content: [{ type: "text", text: "go" }, ...media] },
        { role: "assistant", content: [{ type: "tool_use", id: "call0fake", name: "look", input: {} }] },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "call0fake", content: [...media], is_error: false }],
        },
      ];
      const upstream = await startFakeUpstream<unknown>(() => wholeReply(wire, { text: ["done"] }));
      const { ending } = await answerOf(model(upstream.url), requestOf(modelId, messages));
      assert.equal(ending.type, "finished", JSON.stringify(ending));
      assert.ok(upstream.requests[0]?.text.includes(`${url}/a.png`));
      never();
      await upstream.close();
    });
  }
});

/** What connects to anything at all, and why that is not where a client or a model says. */
const connects: Record<string, string> = {
  "net/guard.ts": "it is the guard",
  "net/connect.ts": "to addresses that were judged",
  "net/local-socket.ts": "processes of Drover",
  "egress/forward.ts": "over connections that were judged",
  "egress/inside.ts": "over connections that were judged",
  "egress/tls-ends.ts": "over connections that were judged",
  "egress/hand-on.ts": "processes of Drover",
  "egress/upstream.ts": "the administrator's proxy",
  "egress/vault-client.ts": "processes of Drover",
  "hands/connection.ts": "processes of Drover",
  "hands/network/egress.ts": "processes of Drover",
  "hands/network/egress-there.ts": "processes of Drover",
  "hands/drivers/docker/engine.ts": "the machine's container engine",
  "cli/machine.ts": "this machine",
  "cli/client/connection.ts": "the server that a person names to the command line",
  "authorize/ask.ts": "the machine of a person, who runs the command; no server does",
  "files/s3/requests.ts": "the administrator's storage",
  "tools/web/search-provider.ts": "the administrator's search engine",
  "models/upstream-fetch.ts": "the administrator's model providers",
  "models/probe.ts": "the administrator's model providers",
};

test("nothing else in the server connects to anything", () => {
  const root = join(import.meta.dirname, "../src");
  const files = globSync("**/*.ts", { cwd: root }).filter(
    (file) => !/\.(test|spec)\.ts$|(^|\/)testing[^/]*\.ts$/.test(file),
  );
  const imported =
    /^import (?!type)\{[^}]*?(?<!type )\b(request|get|connect|createConnection|fetch|Agent|Client|Pool|WebSocket)\b[^}]*\} from "(undici|node:https?|node:http2|node:net|node:tls)";/m;
  const loaded = /(?<!typeof )import\("(undici|node:https?|node:http2|node:net|node:tls)"\)/;
  const called = /(?<![.\w]|async |function )fetch\((?!request, bindings)/m;
  const found = files.filter((file) => {
    const text = readFileSync(join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    return (
      imported.test(text) || loaded.test(text) || called.test(text.replace(/^\s+fetch\([^)]*\): /gm, ""))
    );
  });
  assert.ok(found.length > 8);
  assert.deepEqual(
    found.filter((file) => !(file in connects)),
    [],
    "what it asks must be nobody else's choice, or go through src/net/guard.ts: say which in `connects`",
  );
});
