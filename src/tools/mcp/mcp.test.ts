import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createGuard } from "../../net/guard.ts";
import { bodyOf } from "../../net/testing-body.ts";
import type { McpBearers } from "../../vault/secrets.ts";
import { createMcp } from "./mcp.ts";

const bearers: McpBearers = { find: async () => null, renew: async () => null, note() {} };
const guard = createGuard({ allow_private_hosts: ["127.0.0.1"] });
const servers: Server[] = [];
after(async () => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  await guard.close();
});

interface Message {
  id?: number;
  method?: string;
  params?: { requestId?: number; _meta?: { progressToken?: number } };
}

type Answer = (message: Message, response: ServerResponse) => void;

async function startServer(answer: Answer) {
  const open = new Set<ServerResponse>();
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    open.add(response);
    response.on("close", () => open.delete(response));
    const body = (await bodyOf(request))?.toString();
    if (body === undefined) return;
    const message = body === "" ? {} : JSON.parse(body);
    asked.push(message.method ?? request.method);
    if (request.method === "DELETE") return response.end();
    if (message.method !== "initialize") return answer(message, response);
    const result = {
      protocolVersion: "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "x", version: "1" },
    };
    response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "s1" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return { server: { name: "one", url }, open, asked };
}

/** One that keeps the stream of its words open. */
const usual: Answer = ({ id, method }, response) => {
  if (method === undefined) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
  } else if (id === undefined) response.writeHead(202).end();
  else {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { tools: [], content: [] } }));
  }
};
const tool = { name: "t", description: "", input_schema: { type: "object" }, repeatable: true };
const never = new AbortController().signal;

async function becomes(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the connections of a session", () => {
  test("are closed when nobody has used them for a while, and made again when somebody does", async () => {
    const { server, open, asked } = await startServer(usual);
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline", idle_ms: 40 });
    const session = mcp.of({ workspace_id: "w", session_id: "s" });
    assert.equal((await session.list(server, never)).status, "listed");
    await becomes(() => asked.includes("DELETE") && open.size === 0);
    assert.equal((await session.list(server, never)).status, "listed");
    assert.equal(asked.filter((method) => method === "initialize").length, 2);
    await mcp.close();
    await becomes(() => open.size === 0);
  });

  test("end at once when the session is given up, and no lost call is made again", async () => {
    const calls: ServerResponse[] = [];
    const { server, open } = await startServer((message, response) => {
      if (message.method !== "tools/call") return usual(message, response);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      calls.push(response);
    });
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline" });
    const session = mcp.of({ workspace_id: "w", session_id: "s" });
    const running = session.run({ server, tool, input: {}, starts: 0, known: [] }, never);
    await becomes(() => calls.length === 1);
    session.giveUp();
    assert.equal((await running).is_error, true);
    await becomes(() => open.size === 0);
    assert.equal(calls.length, 1);
    await mcp.close();
  });

  test("stay another drive's, which has the session by then", async () => {
    const { server, asked } = await startServer(usual);
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline" });
    const [before, now] = [0, 1].map(() => mcp.of({ workspace_id: "w", session_id: "s" }));
    before?.watch(() => {});
    await before?.list(server, never);
    now?.watch(() => {});
    before?.giveUp();
    assert.equal((await now?.list(server, never))?.status, "listed");
    assert.equal(asked.filter((method) => method === "initialize").length, 1);
    await mcp.close();
  });

  test("are given up where a server never says its first word", async () => {
    for (const answer of [
      (_: object, response: ServerResponse) => void response,
      (_: object, response: ServerResponse) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.flushHeaders();
      },
    ]) {
      const silent = createServer((request, response) => {
        if (request.method === "POST") response.writeHead(405).end();
        else answer({}, response);
      });
      servers.push(silent);
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/sse`;
      const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline", list_ms: 100 });
      const session = mcp.of({ workspace_id: "w", session_id: "s" });
      assert.equal((await session.list({ name: "one", url }, never)).status, "unreachable");
      const result = await session.run(
        { server: { name: "one", url }, tool, input: {}, starts: 0, known: [] },
        never,
      );
      assert.equal(result.failure?.status, "unreachable");
      await mcp.close();
    }
  });
});

test("a server that refuses the stream of its own words alone, and is gone later, is one that cannot be reached", async () => {
  let refuse = () => {};
  const { server, asked, open } = await startServer((message, response) => {
    if (message.method === undefined) refuse = () => response.writeHead(403).end();
    else usual(message, response);
  });
  const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline" });
  const session = mcp.of({ workspace_id: "w", session_id: "s" });
  assert.equal((await session.list(server, never)).status, "listed");
  await becomes(() => asked.includes("GET"));
  refuse();
  await becomes(() => open.size === 0);
  const http = servers.at(-1);
  await new Promise((resolve) => {
    http?.close(resolve);
    http?.closeAllConnections();
  });
  const result = await session.run({ server, tool, input: {}, starts: 0, known: [] }, never);
  assert.equal(result.failure?.status, "unreachable");
  await mcp.close();
});

describe("the connections of a workspace", () => {
  test("leave room for those of others", async () => {
    const { server } = await startServer((message, response) => {
      if (message.method !== "tools/call") usual(message, response);
    });
    const room = { connections_max: 3, connections_per_workspace_max: 2 };
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline", ...room });
    const over = new AbortController();
    const at = (workspace_id: string, session_id: string) => mcp.of({ workspace_id, session_id });
    const call = { server, tool, input: {}, starts: 0, known: [] };
    const calls: Promise<unknown>[] = [];
    for (const session_id of ["s1", "s2"]) {
      const session = at("w1", session_id);
      assert.equal((await session.list(server, never)).status, "listed");
      calls.push(session.run(call, over.signal));
    }
    const refused = await at("w1", "s3").list(server, never);
    assert.ok(refused.status === "unreachable");
    assert.match(refused.message, /as many connections to MCP servers as it may/);
    assert.equal((await at("w2", "s4").list(server, never)).status, "listed");
    // One that nobody uses makes room.
    assert.equal((await at("w2", "s5").list(server, never)).status, "listed");
    over.abort();
    await Promise.all(calls);
    assert.equal((await at("w1", "s3").list(server, never)).status, "listed");
    await mcp.close();
  });
});

describe("a server that says that it has other tools", () => {
  const changed = `data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n`;
  /** It says so, so often, before it answers a request. */
  const saying = (method: string, times: number) =>
    startServer((message, response) => {
      if (message.method !== method) return usual(message, response);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(changed.repeat(times));
      const answer = { jsonrpc: "2.0", id: message.id, result: { tools: [], content: [] } };
      response.end(`data: ${JSON.stringify(answer)}\n\n`);
    });

  test("is heard once until it is asked for them, however often it says so", async () => {
    const { server } = await saying("tools/call", 1_000);
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline" });
    const session = mcp.of({ workspace_id: "w", session_id: "s" });
    const heard: string[] = [];
    const call = () => session.run({ server, tool, input: {}, starts: 0, known: [] }, never);
    session.watch((name) => heard.push(name));
    await session.list(server, never);
    await call();
    await call();
    assert.deepEqual(heard, ["one"]);
    await session.list(server, never);
    await call();
    assert.deepEqual(heard, ["one", "one"]);
    await mcp.close();
  });

  test("is heard by the next drive too, where the one that heard it ended before the tools were asked for", async () => {
    const { server } = await saying("tools/call", 1);
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline" });
    const session = mcp.of({ workspace_id: "w", session_id: "s" });
    const heard: string[] = [];
    session.watch((name) => heard.push(name));
    await session.list(server, never);
    await session.run({ server, tool, input: {}, starts: 0, known: [] }, never);
    session.rest();
    const next = mcp.of({ workspace_id: "w", session_id: "s" });
    assert.deepEqual(
      next.watch((name) => heard.push(name)),
      [],
    );
    assert.deepEqual(heard, ["one", "one"]);
    next.rest();
    await next.run({ server, tool, input: {}, starts: 0, known: [] }, never);
    await next.list(server, never);
    next.rest();
    await next.run({ server, tool, input: {}, starts: 0, known: [] }, never);
    assert.deepEqual(
      mcp.of({ workspace_id: "w", session_id: "s" }).watch(() => assert.fail()),
      ["one"],
    );
    await mcp.close();
  });

  test("while it is asked for them is heard behind its answer", async () => {
    const { server } = await saying("tools/list", 2);
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline" });
    const session = mcp.of({ workspace_id: "w", session_id: "s" });
    const heard: string[] = [];
    session.watch((name) => heard.push(name));
    const listing = session.list(server, never).then(() => heard.push("the answer"));
    await becomes(() => heard.length === 2);
    await listing;
    assert.deepEqual(heard, ["the answer", "one"]);
    await mcp.close();
  });
});

describe("a call", () => {
  const call_ms = 1_000;

  test("goes on for as long as the server tells of its progress", async () => {
    const { server } = await startServer((message, response) => {
      if (message.method !== "tools/call") return usual(message, response);
      const progressToken = message.params?._meta?.progressToken;
      response.writeHead(200, { "content-type": "text/event-stream" });
      const say = (said: object) =>
        response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...said })}\n\n`);
      let progress = 0;
      const timer = setInterval(() => {
        progress += 1;
        say({ method: "notifications/progress", params: { progressToken, progress } });
        if (progress < 12) return;
        clearInterval(timer);
        say({ id: message.id, result: { content: [{ type: "text", text: "at last" }] } });
        response.end();
      }, call_ms / 10);
    });
    const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline", call_ms });
    const session = mcp.of({ workspace_id: "w", session_id: "s" });
    const result = await session.run({ server, tool, input: {}, starts: 0, known: [] }, never);
    assert.deepEqual(result.content, [{ type: "text", text: "at last" }]);
    await mcp.close();
  });

  for (const repeatable of [true, false])
    test(`of which nothing is heard is taken back, and told as what it is, ${repeatable}`, async () => {
      const taken: unknown[] = [];
      const called: unknown[] = [];
      const { server, open } = await startServer((message, response) => {
        if (message.method === "notifications/cancelled") taken.push(message.params?.requestId);
        if (message.method !== "tools/call") return usual(message, response);
        called.push(message.id);
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.flushHeaders();
      });
      const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline", call_ms: 50 });
      const session = mcp.of({ workspace_id: "w", session_id: "s" });
      const call = { server, tool: { ...tool, repeatable }, input: {}, starts: 0, known: [] };
      const result = await session.run(call, never);
      assert.equal(result.is_error, true);
      assert.match(JSON.stringify(result.content), /the MCP server did not answer in time/);
      assert.equal(result.recovery?.type, repeatable ? undefined : "outcome_unknown");
      await becomes(() => taken.length === 1 && open.size === 0);
      assert.deepEqual(taken, called);
      await mcp.close();
    });

  test("that is answered by what stands in front of the server may have run; one that is refused has not", async () => {
    for (const [status, repeatable, text] of [
      [502, false, /^The outcome of this call is unknown: the MCP server says instead: .*bad luck/],
      [504, true, /^The call was not answered: the MCP server says instead: .*bad luck/],
      [200, false, /^The outcome of this call is unknown: the MCP server says instead: .*text\/html/],
      [429, false, /^The MCP server "one" did not carry the call out: .*bad luck/],
      [501, false, /^The MCP server "one" did not carry the call out: .*bad luck/],
      [302, false, /^The MCP server "one" did not carry the call out: /],
    ] as const) {
      const { server, asked } = await startServer((message, response) => {
        if (message.method !== "tools/call") return usual(message, response);
        response.writeHead(status, { "content-type": "text/html" }).end("bad luck");
      });
      const mcp = createMcp({ guard, bearers, version: "0", elicitation: "decline" });
      const session = mcp.of({ workspace_id: "w", session_id: "s" });
      const call = { server, tool: { ...tool, repeatable }, input: {}, starts: 0, known: [] };
      const { content, is_error } = await session.run(call, never);
      assert.equal(is_error, true);
      assert.match(content[0]?.type === "text" ? content[0].text : "", text, `${status}`);
      assert.equal(asked.filter((method) => method === "tools/call").length, 1);
      await mcp.close();
    }
  });

  test("for which no credential could be looked up has not left, and says nothing of the database", async () => {
    const { server, asked } = await startServer(usual);
    let isDown = false;
    const find = async () => {
      if (isDown) throw Object.assign(new Error("connect ETIMEDOUT 10.0.0.5:5432"), { code: "ETIMEDOUT" });
      return null;
    };
    const mcp = createMcp({ guard, bearers: { ...bearers, find }, version: "0", elicitation: "decline" });
    const session = mcp.of({ workspace_id: "w", session_id: "s" });
    await session.list(server, never);
    await mcp.close();
    isDown = true;
    const call = { server, tool: { ...tool, repeatable: false }, input: {}, starts: 0, known: [] };
    const result = await session.run(call, never);
    assert.equal(result.failure?.status, "unreachable");
    assert.equal(
      result.failure.message,
      'The MCP server "one" cannot be reached: this server could not look for the session\'s credential.',
    );
    assert.equal(result.recovery, undefined);
    assert.ok(!asked.includes("tools/call"));
    await mcp.close();
  });
});

test("the protocol's library is loaded by the first session that needs it", () => {
  for (const file of globSync("*.ts", { cwd: import.meta.dirname }))
    for (const line of readFileSync(join(import.meta.dirname, file), "utf8").split("\n"))
      if (/ from "@modelcontextprotocol/.test(line) && !file.endsWith(".test.ts"))
        assert.match(line, /^import type /, file);
});
