import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { cents60 } from "./harness/budgets.ts";
import { startCommand } from "./harness/command.ts";
import { startCuttingProxy } from "./harness/cutting-proxy.ts";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { onTerminal } from "./harness/on-terminal.ts";
import { startTestServer } from "./harness/server.ts";
import { follow, isIdle, listed, message, newSession, prepare, send, turn } from "./harness/session.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
const proxy = await startCuttingProxy(api.url);
after(async () => {
  for (const terminal of terminals) terminal.close();
  await proxy.close();
  drover.close();
  await api.close();
});
const free = await prepare(api.client);
const asking = await prepare(api.client, "simulated", "always_ask");
const terminals: ReturnType<typeof onTerminal>[] = [];
function chatOf(...args: string[]) {
  const chat = onTerminal(["chat", ...args], drover);
  terminals.push(chat);
  return chat;
}
const idIn = (said: string) => /sesn_\w+/.exec(said)?.[0] ?? assert.fail(said);
const messagesOf = async (id: string) =>
  (await listed(api.client, id)).flatMap((event) =>
    event.type === "user.message" ? event.content.map((block) => ("text" in block ? block.text : "")) : [],
  );

test("two talk in one session: what one types is kept while the other is heard, and either answers what is asked", async () => {
  const one = chatOf(asking.agent_id);
  const id = idIn(await one.shows(/session sesn_\w+/));
  await one.shows(/› /);
  const other = chatOf("--session", id);
  await other.shows(/› /);
  other.type("say ha");
  await other.shows(/say ha/);
  one.type("bash echo heard\r");
  await other.shows(/\u001b\[J.*user\S* bash echo heard\r\n/);
  await other.shows(/\[w\]hy: /);
  await one.shows(/\[w\]hy: /);
  other.type("y");
  await one.shows(/\r\u001b\[K.*done.*heard/);
  await one.shows(/Done\.\r\n.*› /);
  await other.shows(/done.*heard/);
  await other.shows(/› .*say ha/);
  other.type("lf\r");
  await one.shows(/user\S* say half\r\n[\s\S]*half\r\n/);
  await one.shows(/› /);
  await other.shows(/half\r\n[\s\S]*› /);
  await api.client.beta.sessions.archive(id);
  for (const chat of [one, other]) {
    await chat.shows(/the session has ended/);
    assert.equal(await chat.ended, 0);
    chat.isAsItWas();
  }
  assert.deepEqual(await messagesOf(id), ["bash echo heard", "say half"]);
});

test("who comes back to a session that waits is asked at once, call by call, and sees the results of before", async () => {
  const session = await newSession(api.client, asking);
  const following = await follow(api.client, session.id);
  await send(api.client, session.id, message("bash echo first\nbash echo second"));
  await following.until(isIdle);
  following.close();
  const run = await drover(["run", "say on", "--session", session.id]);
  assert.equal(run.code, 7, run.out);
  assert.match(run.err, /^the session waits for an answer to sevt_\w+: [^\n]+\n$/);
  const chat = chatOf("--session", session.id);
  await chat.shows(/the agent asks:.*bash\r\necho first\r\n/);
  chat.type("y");
  await chat.shows(/the agent asks:.*bash\r\necho second\r\n/);
  chat.type("w");
  await chat.shows(/› /);
  chat.type("\u0004");
  await chat.shows(/the session stays/);
  assert.equal(await chat.ended, 0);
  const again = chatOf("--session", session.id);
  await again.shows(/the agent asks:.*bash\r\necho second\r\n/);
  again.type("n");
  await again.shows(/Done\.[\s\S]*› /);
  again.type("\u0003");
  assert.equal(await again.ended, 130);
  const last = chatOf("--session", session.id);
  await last.shows(/› /);
  last.type("/show 2\r");
  await last.shows(/▾ bash.* echo first\r\nfirst\r\n/);
  last.kill("SIGHUP");
  assert.equal(await last.ended, 129);
  last.isAsItWas();
});

test("what is pasted is one message, and what is typed meanwhile is not lost", async () => {
  const chat = chatOf(free.agent_id);
  const id = idIn(await chat.shows(/session sesn_\w+/));
  await chat.shows(/› /);
  chat.type("\u001b[200~say one\rsay \u0003\u0004two\r\nsay three\u001b[201~");
  await chat.shows(/say one␊say two␊say three/);
  chat.type("\r");
  await chat.shows(/one\r\ntwo\r\nthree\r\n/);
  await chat.shows(/› /);
  const following = await follow(api.client, id);
  chat.type("hang\r");
  await following.until(({ type }) => type === "span.model_request_start");
  following.close();
  chat.type("say 日本x\u007f\rsay four\r");
  chat.type("\u0003");
  await chat.shows(/interrupting/);
  await chat.shows(/› .*say 日本␊say four/);
  // There is no shell to stop for.
  chat.type("\u001a");
  await chat.shows(/say four/);
  chat.type("\r");
  await chat.shows(/日本\r\nfour\r\n/);
  await chat.shows(/› /);
  chat.type("/etc/hosts\r");
  await chat.shows(/You said: "\/etc\/hosts"/);
  await chat.shows(/› /);
  chat.type("\u0003");
  assert.equal(await chat.ended, 130);
  chat.isAsItWas();
  assert.match(chat.said(), /\u001b\[\?2004h/);
  assert.ok(chat.said().lastIndexOf("\u001b[?2004l") > chat.said().lastIndexOf("\u001b[?2004h"));
  assert.deepEqual(await messagesOf(id), [
    "say one\nsay two\nsay three",
    "hang",
    "say 日本\nsay four",
    "/etc/hosts",
  ]);
});

test("a server that is away for a while costs no message, and none is said twice", async () => {
  const chat = chatOf(free.agent_id, "--base-url", proxy.url);
  const id = idIn(await chat.shows(/session sesn_\w+/));
  await chat.shows(/› /);
  proxy.off();
  await chat.shows(/the connection broke; trying again/);
  await chat.shows(/› /);
  chat.type("say once\r");
  await chat.shows(/No server answers at/);
  await chat.shows(/› .*say once/);
  await turn(api.client, id, "say meanwhile");
  proxy.on();
  await chat.shows(/user\S* say meanwhile\r\n[\s\S]*meanwhile\r\n/);
  await chat.shows(/› .*say once/);
  chat.type("\r");
  await chat.shows(/once\r\n[\s\S]*› /);
  chat.type("\u0003");
  assert.equal(await chat.ended, 130);
  assert.deepEqual(await messagesOf(id), ["say meanwhile", "say once"]);
});

test("a key that is refused from now on ends a conversation that waits for its user", async () => {
  let isRevoked = false;
  const server = createServer((asked, answer) => {
    if (isRevoked) {
      answer.writeHead(401, { "content-type": "application/json" });
      answer.end(JSON.stringify({ type: "error", error: { type: "authentication_error", message: "no" } }));
      return;
    }
    const upstream = request(new URL(asked.url ?? "", api.url), {
      method: asked.method,
      headers: asked.headers,
    });
    upstream.on("response", (got) => {
      answer.writeHead(got.statusCode ?? 0, got.headers).flushHeaders();
      got.pipe(answer);
    });
    upstream.on("error", () => answer.destroy());
    answer.on("close", () => upstream.destroy());
    asked.pipe(upstream);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const chat = chatOf(free.agent_id, "--base-url", url);
  await chat.shows(/› /);
  isRevoked = true;
  server.closeAllConnections();
  await chat.shows(/refuses the API key/);
  assert.equal(await chat.ended, 4);
  chat.isAsItWas();
  server.close();
});

test("a budget is given, reached and raised in the conversation", async () => {
  const chat = chatOf(free.agent_id, "--budget", "1.00");
  const id = idIn(await chat.shows(/session sesn_\w+/));
  await chat.shows(/› /);
  const script = `${cents60}\nsay one\nbash true\nthen\n${cents60}\nbash true\nthen\nsay end`;
  chat.type(`\u001b[200~${script}\u001b[201~\r`);
  await chat.shows(/the budget is reached:\S* \/budget DOLLARS raises it/);
  await chat.shows(/› /);
  chat.type("say more\r");
  await chat.shows(/budget[\s\S]*› .*say more/);
  chat.type("\u0015/budget much\r");
  await chat.shows(/a budget is a number of dollars: 2\.50/);
  await chat.shows(/› /);
  chat.type("/budget 1\r");
  await chat.shows(/budget[^\r]*\r\n[\s\S]*› /);
  chat.type("/budget 2.5\r");
  await chat.shows(/\$1\.20 used of \$2\.50/);
  await chat.shows(/end\r\n[\s\S]*› /);
  chat.type("\u0003");
  assert.equal(await chat.ended, 130);
  assert.equal(await drover.done(["sessions", "budget", id]), "$1.20 used of $2.50\n");
  assert.equal(await drover.done(["sessions", "budget", id, "none"]), "$1.20 used; there is no budget\n");
  assert.equal((await drover(["sessions", "budget", id, "0"])).code, 2);
});

test("a task that is interrupted by Ctrl-C is not done", async () => {
  const run = startCommand(["run", "hang", "--agent", free.agent_id], drover.env);
  await run.says(/user hang/);
  run.child.kill("SIGINT");
  assert.equal(await run.ended, 130, run.said());
  assert.match(run.said(), /interrupting[\s\S]*idle end_turn/);
});
