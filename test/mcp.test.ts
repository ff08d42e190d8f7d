import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type FakeMcp, type FakeTool, startFakeMcp } from "./fakes/mcp.ts";
import { freePort } from "./harness/free-port.ts";
import {
  calling,
  errorsIn,
  mcpResults,
  mcpTexts,
  mcpUses,
  methodsAt,
  sessionWith,
  type Toolset,
} from "./harness/mcp.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { follow, isIdle, isOf, message, prepare, resultsIn, saidIn, send, turn } from "./harness/session.ts";

let api: TestServer;
let environment_id: string;
const fakes: FakeMcp[] = [];
const fake = async (...args: Parameters<typeof startFakeMcp>) => {
  const started = await startFakeMcp(...args);
  fakes.push(started);
  return started;
};

before(async () => {
  api = await startTestServer({ allow_private_hosts: ["127.0.0.1"] });
  ({ environment_id } = await prepare(api.client));
});
after(async () => {
  for (const each of fakes) await each.close();
  await api.close();
});

const echo: FakeTool = {
  name: "echo",
  description: "Says it again",
  inputSchema: { type: "object", properties: { text: { type: "string" } } },
  run: ({ text }) => `it said ${text}`,
};
const tool = (name: string, run: FakeTool["run"], more: Partial<FakeTool> = {}): FakeTool => ({
  name,
  ...more,
  ...(run && { run }),
});

const session = async (server: FakeMcp, more: Partial<Toolset> = {}) =>
  (await sessionWith(api.client, environment_id, [{ server: "one", url: server.url, ...more }])).id;
const count = (server: FakeMcp, method: string) => methodsAt(server).filter((one) => one === method).length;

/** Resolves when it is so; the test's own time is the limit. */
async function becomes(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the tools of an MCP server", () => {
  for (const options of [{}, { answers: "json" }, { transport: "sse" }] as const)
    test(`are called, ${JSON.stringify(options)}`, async () => {
      const server = await fake([echo], options);
      const id = await session(server);
      const events = await turn(api.client, id, `${calling("one", "echo", { text: "hello" })}\nthen\necho`);
      assert.deepEqual(errorsIn(events), []);
      const [use] = mcpUses(events);
      assert.equal(use?.mcp_server_name, "one");
      assert.equal(use?.name, "echo");
      assert.deepEqual(use?.input, { text: "hello" });
      assert.equal(use?.evaluated_permission, "allow");
      assert.deepEqual(use?.evaluation, { type: "always_allow" });
      const [result] = mcpResults(events);
      assert.equal(result?.mcp_tool_use_id, use?.id);
      assert.equal(result?.is_error, false);
      assert.deepEqual(mcpTexts(events), ["it said hello"]);
      assert.equal(saidIn(events), "it said hello");
      await turn(api.client, id, calling("one", "echo", { text: "again" }));
      // One that knows no POST is asked by it first.
      assert.equal(count(server, "initialize"), "transport" in options ? 2 : 1);
      assert.equal(count(server, "tools/list"), 1);
    });

  test("are listed page by page, and each session asks for itself", async () => {
    const server = await fake([echo, tool("b", () => "B"), tool("c", () => "C")]);
    server.page = 1;
    for (const _ of [1, 2]) {
      const events = await turn(api.client, await session(server), calling("one", "c"));
      assert.deepEqual(mcpTexts(events), ["C"]);
    }
    assert.equal(count(server, "tools/list"), 6);
  });

  test("of two servers stand beside each other and the built-in ones", async () => {
    const [a, b] = [await fake([tool("same", () => "of a")]), await fake([tool("same", () => "of b")])];
    const { id } = await sessionWith(
      api.client,
      environment_id,
      [
        { server: "a", url: a.url },
        { server: "b", url: b.url },
      ],
      { builtIn: true },
    );
    const events = await turn(
      api.client,
      id,
      `${calling("a", "same")}\n${calling("b", "same")}\nbash echo here`,
    );
    assert.deepEqual(mcpTexts(events).sort(), ["of a", "of b"]);
    assert.deepEqual(resultsIn(events), ["here"]);
  });

  test("return more than text", async () => {
    const png =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const server = await fake([
      tool("all", () => ({
        content: [
          { type: "text", text: "a text" },
          { type: "image", mimeType: "image/png", data: png },
          { type: "image", mimeType: "image/tiff", data: png },
          { type: "audio", mimeType: "audio/wav", data: png },
          {
            type: "resource",
            resource: { uri: "file:///a.txt", mimeType: "text/plain", text: "what it holds" },
          },
          { type: "resource", resource: { uri: "file:///a.bin", mimeType: "application/zip", blob: png } },
          { type: "resource_link", uri: "file:///b.txt", name: "b", description: "another" },
          { type: "hologram", data: png },
        ],
      })),
      tool("structured", () => ({ content: [], structuredContent: { n: 1 } })),
      tool("both", () => ({
        content: [{ type: "text", text: '{ "n": 1 }' }],
        structuredContent: { n: 1 },
      })),
      tool("nothing", () => ({ content: [] })),
      tool("wrong", () => ({ content: [{ type: "text", text: "it broke" }], isError: true })),
    ]);
    const id = await session(server);
    const events = await turn(
      api.client,
      id,
      ["all", "structured", "both", "nothing", "wrong"].map((name) => calling("one", name)).join("\nthen\n"),
    );
    const [all, ...others] = mcpTexts(events);
    assert.equal(
      all,
      [
        "a text",
        "<image>",
        "[An image (image/tiff) was left out: it cannot be shown.]",
        "[A recording (audio/wav) was left out: it cannot be shown.]",
        "[The resource file:///a.txt:]",
        "what it holds",
        "[The resource file:///a.bin (application/zip) was left out: it cannot be shown.]",
        "[A resource: file:///b.txt (b; another)]",
        "[A part of a kind that is not known was left out.]",
      ].join("\n"),
    );
    assert.deepEqual(others, ['{"n":1}', '{ "n": 1 }', "[The tool returned nothing.]", "it broke"]);
    assert.deepEqual(
      mcpResults(events).map(({ is_error }) => is_error),
      [false, false, false, false, true],
    );
  });

  test("refuse a call with an error that the model hears of", async () => {
    const server = await fake([
      tool("moody", () => {
        throw new Error("not today");
      }),
    ]);
    const events = await turn(api.client, await session(server), calling("one", "moody"));
    assert.deepEqual(mcpTexts(events), ['The MCP server "one" refused the call: not today']);
    assert.equal(mcpResults(events)[0]?.is_error, true);
  });

  test("that are too long for the model are kept in the sandbox", async () => {
    const text = `${"x".repeat(50_000)}the middle${"y".repeat(50_001)}`;
    const server = await fake([tool("long", () => text)]);
    const toolsets = [{ server: "one", url: server.url }];
    const { id } = await sessionWith(api.client, environment_id, toolsets, { builtIn: true });
    const [shown = ""] = mcpTexts(await turn(api.client, id, calling("one", "long")));
    assert.ok(shown.length < 20_000);
    const path = /All of it is in (\S+):/.exec(shown)?.[1];
    assert.ok(path, shown.slice(7_900, 8_400));
    assert.deepEqual(
      resultsIn(await turn(api.client, id, `bash grep -o 'the middle' ${path}; wc -c < ${path}`)),
      ["the middle\n100011"],
    );
  });

  test("may ask nobody, and hear so in the protocol", async () => {
    const answers: unknown[] = [];
    const server = await fake([
      tool("curious", async (_, call) => {
        call.notify("notifications/message", { level: "info", data: "log" });
        for (const method of [
          "ping",
          "elicitation/create",
          "roots/list",
          "sampling/createMessage",
          "made/up",
        ]) {
          const { result, error } = await call.ask(method, {
            message: "?",
            requestedSchema: { type: "object" },
          });
          answers.push(result ?? error?.code);
        }
        return "asked";
      }),
    ]);
    assert.deepEqual(mcpTexts(await turn(api.client, await session(server), calling("one", "curious"))), [
      "asked",
    ]);
    assert.deepEqual(answers, [{}, { action: "decline" }, { roots: [] }, -1, -32_601]);
  });

  test("have a form back with its defaults, where the settings say so, and no other one", async () => {
    const lenient = await startTestServer({
      allow_private_hosts: ["127.0.0.1"],
      mcp: { elicitation: "defaults" },
    });
    after(() => lenient.close());
    const { environment_id } = await prepare(lenient.client);
    const forms = [
      {
        properties: { name: { type: "string", default: "x" }, note: { type: "string" } },
        required: ["name"],
      },
      { properties: { name: { type: "string" } }, required: ["name"] },
    ];
    const answers: unknown[] = [];
    const server = await fake([
      tool("curious", async (_, call) => {
        for (const form of forms) {
          const asked = { message: "?", requestedSchema: { type: "object", ...form } };
          answers.push((await call.ask("elicitation/create", asked)).result);
        }
        return "asked";
      }),
    ]);
    const toolsets = [{ server: "one", url: server.url }];
    const { id } = await sessionWith(lenient.client, environment_id, toolsets);
    assert.deepEqual(mcpTexts(await turn(lenient.client, id, calling("one", "curious"))), ["asked"]);
    assert.deepEqual(answers, [{ action: "accept", content: { name: "x" } }, { action: "decline" }]);
  });

  test("change while the session runs: the next run has the others", async () => {
    const server = await fake([
      tool("learn", async () => {
        server.tools.push(tool("new", () => "I am new"));
        await server.sayChanged();
        return "learnt";
      }),
    ]);
    const id = await session(server);
    await turn(api.client, id, "say hello");
    await becomes(() => server.open().streams === 1);
    const changed = async () => {
      const rows = await api.db.query<{ type: string }>(
        {
          name: "test_changed",
          text: "select type from event where session_id = $1 and type like 'mcp_%' order by seq",
        },
        [id],
      );
      return rows.map(({ type }) => type);
    };
    const events = await turn(api.client, id, `${calling("one", "learn")}\nthen\n${calling("one", "new")}`);
    assert.deepEqual(mcpTexts(events), ["learnt"]);
    assert.match(resultsIn(events)[0] ?? "", /"mcp__one__new" is not enabled/);
    assert.deepEqual(mcpTexts(await turn(api.client, id, calling("one", "new"))), ["I am new"]);
    assert.deepEqual(await changed(), ["mcp_tools_listed", "mcp_tools_changed", "mcp_tools_listed"]);
  });

  test("change while they are asked for: the next run has the others", async () => {
    const server = await fake([tool("old", () => "old")]);
    server.intercept = (_, response, body) => {
      const { id, method } = body === "" ? {} : JSON.parse(body);
      if (method !== "tools/list") return false;
      server.intercept = null;
      becomes(() => server.open().streams === 1).then(async () => {
        const tools = [{ name: "old", inputSchema: { type: "object" } }];
        server.tools.push(tool("new", () => "I am new"));
        await server.sayChanged();
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { tools } }));
      });
      return true;
    };
    const id = await session(server);
    assert.deepEqual(mcpTexts(await turn(api.client, id, calling("one", "old"))), ["old"]);
    assert.deepEqual(mcpTexts(await turn(api.client, id, calling("one", "new"))), ["I am new"]);
  });

  test("change while the session rests: the next turn has them", async () => {
    const server = await fake([tool("old", () => "old")]);
    const id = await session(server);
    await turn(api.client, id, "say hello");
    await becomes(() => server.open().streams === 1);
    server.tools.push(tool("new", () => "I am new"));
    await server.sayChanged();
    assert.deepEqual(mcpTexts(await turn(api.client, id, calling("one", "new"))), ["I am new"]);
  });

  test("of a server that forgets its sessions are called all the same, once each", async () => {
    const server = await fake([echo]);
    const id = await session(server);
    await turn(api.client, id, calling("one", "echo", { text: 1 }));
    server.forget();
    const events = await turn(api.client, id, calling("one", "echo", { text: 2 }));
    assert.deepEqual(mcpTexts(events), ["it said 2"]);
    assert.deepEqual(errorsIn(events), []);
    assert.equal(count(server, "initialize"), 2);
  });

  test("work in a self-hosted environment too, in this server", async () => {
    const server = await fake([echo, tool("long", () => "z".repeat(100_001))]);
    const own = await api.client.beta.environments.create({ name: "own", config: { type: "self_hosted" } });
    const { id } = await sessionWith(api.client, own.id, [{ server: "one", url: server.url }]);
    const events = await turn(api.client, id, calling("one", "echo", { text: "hi" }));
    assert.deepEqual(mcpTexts(events), ["it said hi"]);
    assert.equal(events.findLast(isIdle)?.stop_reason.type, "end_turn");
    assert.match(
      mcpTexts(await turn(api.client, id, calling("one", "long")))[0] ?? "",
      /the rest could not be kept/,
    );
  });
});

describe("a session with MCP servers", () => {
  test("may get others while it rests, and asks those for their tools", async () => {
    const [first, second] = [await fake([tool("a", () => "A")]), await fake([tool("b", () => "B")])];
    const id = await session(first);
    assert.deepEqual(mcpTexts(await turn(api.client, id, calling("one", "a"))), ["A"]);
    await api.client.beta.sessions.update(id, {
      agent: { mcp_servers: [{ type: "url", name: "one", url: second.url }] },
    });
    const script = `${calling("one", "b")}\nthen\n${calling("one", "a")}`;
    const events = await turn(api.client, id, script);
    assert.deepEqual(mcpTexts(events), ["B"]);
    assert.match(resultsIn(events)[0] ?? "", /"mcp__one__a" is not enabled/);
    assert.equal(count(second, "tools/list"), 1);
  });

  test("can be forked, and the fork calls them too", async () => {
    const server = await fake([echo]);
    const id = await session(server);
    await turn(api.client, id, calling("one", "echo", { text: 1 }));
    const fork = (await api.client.post(`/v1/sessions/${id}/fork`, { body: {} })) as { id: string };
    assert.deepEqual(mcpTexts(await turn(api.client, fork.id, calling("one", "echo", { text: 2 }))), [
      "it said 2",
    ]);
    // What it offers stands in the log that the fork begins with.
    assert.equal(count(server, "tools/list"), 2);
  });

  test("counts its calls under one name", async () => {
    const server = await fake([echo]);
    const counting = await startTestServer({ allow_private_hosts: ["127.0.0.1"], metrics: true });
    try {
      const own = await prepare(counting.client);
      const toolsets = [{ server: "one", url: server.url }];
      const { id } = await sessionWith(counting.client, own.environment_id, toolsets);
      await turn(counting.client, id, calling("one", "echo"));
      const metrics = await (await fetch(counting.server.metrics_url ?? "")).text();
      assert.match(metrics, /^drover_tool_calls_total\{tool="mcp",outcome="settled"\} 1$/m);
    } finally {
      await counting.close();
    }
  });
});

describe("a server that is down", () => {
  test("is told of; the session goes on without it, and asks it again when it runs again", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/mcp`;
    const { id } = await sessionWith(api.client, environment_id, [{ server: "late", url }], {
      builtIn: true,
    });
    const events = await turn(api.client, id, `bash echo works\n${calling("late", "echo")}`);
    const [error, ...others] = errorsIn(events);
    assert.equal(error?.type, "mcp_connection_failed_error");
    assert.ok(error.type === "mcp_connection_failed_error" && error.mcp_server_name === "late");
    assert.match(error.message, /^The MCP server "late" cannot be reached: .*ECONNREFUSED/);
    assert.deepEqual(others, []);
    assert.ok(resultsIn(events).includes("works"));
    assert.equal(events.findLast(isIdle)?.stop_reason.type, "end_turn");

    await fake([echo], { port });
    const later = await turn(api.client, id, calling("late", "echo", { text: "now" }));
    assert.deepEqual(errorsIn(later), []);
    assert.deepEqual(mcpTexts(later), ["it said now"]);
  });

  test("when it is called is told of too, and its tools stay", async () => {
    const server = await fake([echo]);
    const id = await session(server);
    await turn(api.client, id, "say hello");
    await server.close();
    const events = await turn(api.client, id, calling("one", "echo", { text: "x" }));
    assert.match(mcpTexts(events)[0] ?? "", /^The MCP server "one" cannot be reached/);
    assert.deepEqual(
      errorsIn(events).map(({ type }) => type),
      ["mcp_connection_failed_error"],
    );
    await fake([echo], { port: server.port });
    assert.deepEqual(mcpTexts(await turn(api.client, id, calling("one", "echo", { text: "x" }))), [
      "it said x",
    ]);
  });

  test("in the middle of a call leaves what may be called again called again, and else its end unknown", async () => {
    let cuts = 0;
    const cutting = (name: string, annotations = {}) =>
      tool(
        name,
        (_, call) => {
          cuts += 1;
          if (cuts % 2 === 0) return "the second time";
          call.cut();
          return "never heard";
        },
        { annotations },
      );
    const server = await fake([
      cutting("reads", { readOnlyHint: true }),
      cutting("same", { idempotentHint: true }),
      cutting("writes"),
    ]);
    const id = await session(server);
    for (const name of ["reads", "same"]) {
      const [result] = mcpResults(await turn(api.client, id, calling("one", name)));
      assert.deepEqual(result?.content, [{ type: "text", text: "the second time" }]);
      const { recovery } = result as { recovery?: { type: string; replays: number } };
      assert.equal(recovery?.type, "run_again");
      assert.equal(recovery.replays, 1);
      assert.equal(server.calls(name), 2);
    }
    const events = await turn(api.client, id, calling("one", "writes"));
    assert.match(mcpTexts(events)[0] ?? "", /^The outcome of this call is unknown/);
    assert.equal(server.calls("writes"), 1);
  });
});

describe("a call of an MCP tool", () => {
  test("waits for the client where the toolset says nothing else", async () => {
    const server = await fake([echo]);
    const agent = await api.client.beta.agents.create({
      name: "asks",
      model: "simulated",
      mcp_servers: [{ type: "url", name: "one", url: server.url }],
      tools: [{ type: "mcp_toolset", mcp_server_name: "one" }],
    });
    const { id } = await api.client.beta.sessions.create({ agent: agent.id, environment_id });
    const script = `${calling("one", "echo", { text: 1 })}\n${calling("one", "echo", { text: 2 })}`;
    const events = await turn(api.client, id, script);
    const [first, second] = mcpUses(events);
    assert.deepEqual([first?.evaluated_permission, first?.evaluation], ["ask", { type: "always_ask" }]);
    const asked = [first?.id ?? "", second?.id ?? ""];
    assert.deepEqual(events.findLast(isIdle)?.stop_reason, { type: "requires_action", event_ids: asked });
    assert.equal(server.calls("echo"), 0);

    const following = await follow(api.client, id);
    const confirm = (tool_use_id = "", result: "allow" | "deny", deny_message?: string) =>
      send(api.client, id, {
        type: "user.tool_confirmation",
        tool_use_id,
        result,
        ...(deny_message && { deny_message }),
      });
    await confirm(asked[1], "deny", "not that one");
    const still = await following.until(isIdle);
    assert.deepEqual(still.findLast(isIdle)?.stop_reason, { type: "requires_action", event_ids: [asked[0]] });
    await confirm(asked[0], "allow");
    const done = await following.until(isIdle, 2);
    following.close();
    assert.deepEqual(mcpTexts(done).sort(), ["The user rejected this call: not that one", "it said 1"]);
    assert.equal(server.calls("echo"), 1);
    await assert.rejects(confirm(asked[0], "allow"), /tool_use_id/);
  });

  test("that was allowed goes to no other server that has the name by then", async () => {
    const [first, second] = [await fake([tool("pay", () => "A")]), await fake([tool("pay", () => "B")])];
    const id = await session(first, { policy: "always_ask" });
    const events = await turn(api.client, id, calling("one", "pay"));
    await api.client.beta.sessions.update(id, {
      agent: { mcp_servers: [{ type: "url", name: "one", url: second.url }] },
    });
    const following = await follow(api.client, id);
    const tool_use_id = mcpUses(events)[0]?.id ?? "";
    await send(api.client, id, { type: "user.tool_confirmation", tool_use_id, result: "allow" });
    const done = await following.until(isIdle);
    following.close();
    assert.deepEqual(mcpTexts(done), ['The tool "mcp__one__pay" is not offered any more.']);
    assert.equal(first.calls("pay") + second.calls("pay"), 0);
  });

  test("goes by the policy of its tool, and a disabled one is not offered", async () => {
    const server = await fake([echo, tool("free", () => "free"), tool("off", () => "off")]);
    const id = await session(server, {
      policy: "always_ask",
      configs: [
        { name: "free", permission_policy: { type: "always_allow" } },
        { name: "off", enabled: false },
      ],
    });
    const events = await turn(
      api.client,
      id,
      [calling("one", "free"), calling("one", "off"), calling("one", "echo")].join("\n"),
    );
    assert.deepEqual(
      mcpUses(events).map(({ name, evaluated_permission }) => [name, evaluated_permission]),
      [
        ["free", "allow"],
        ["off", "deny"],
        ["echo", "ask"],
      ],
    );
    assert.deepEqual(mcpTexts(events).sort(), [
      'The tool "mcp__one__off" is not enabled in this session.',
      "free",
    ]);
    assert.equal(server.calls("off"), 0);
    const following = await follow(api.client, id);
    await send(api.client, id, { type: "user.interrupt" });
    const after = await following.until(isIdle);
    following.close();
    assert.deepEqual(mcpTexts(after), ["Tool execution was interrupted before completion. Please retry."]);
    assert.equal(after.findLast(isIdle)?.stop_reason.type, "end_turn");
  });

  test("is judged under auto", async () => {
    const server = await fake([echo]);
    const id = await session(server, { policy: "auto" });
    const events = await turn(
      api.client,
      id,
      [
        calling("one", "echo", { text: "rm -rf /workspace" }),
        calling("one", "echo", { text: "x # judge allow" }),
        calling("one", "echo", { text: "sudo true" }),
      ].join("\n"),
    );
    const verdicts = mcpUses(events).map(({ evaluated_permission }) => evaluated_permission);
    assert.equal(verdicts.length, 3);
    assert.ok(verdicts.every((verdict) => verdict !== undefined));
    assert.ok(mcpUses(events).every(({ evaluation }) => evaluation?.type === "auto"));
    assert.equal(server.calls("echo"), verdicts.filter((verdict) => verdict === "allow").length);
  });

  test("is taken back by an interrupt", async () => {
    const begun = Promise.withResolvers<void>();
    const taken = Promise.withResolvers<void>();
    const server = await fake([
      tool("slow", async (_, call) => {
        begun.resolve();
        await call.cancelled;
        taken.resolve();
        return "too late";
      }),
      echo,
    ]);
    const id = await session(server);
    const following = await follow(api.client, id);
    await send(api.client, id, message(calling("one", "slow")));
    await begun.promise;
    await send(api.client, id, { type: "user.interrupt" });
    const events = await following.until(isIdle);
    following.close();
    await taken.promise;
    assert.equal(events.findLast(isIdle)?.stop_reason.type, "end_turn");
    assert.equal(mcpResults(events)[0]?.is_error, true);
    assert.ok(events.filter(isOf("session.status_idle")).length === 1);
    assert.deepEqual(mcpTexts(await turn(api.client, id, calling("one", "echo", { text: "ok" }))), [
      "it said ok",
    ]);
  });
});
