import assert from "node:assert/strict";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";
import { completedIn } from "./harness/shells.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});
const completed = async (...words: string[]) =>
  (await drover.done(["complete", "--", ...words])).split("\n").filter((word) => word !== "");

test("commands, their subcommands, options and choices are completed", async () => {
  assert.deepEqual(await completed("se"), ["sessions", "serve"]);
  assert.deepEqual(await completed("sessions", "f"), ["fork"]);
  assert.deepEqual(await completed("envs", "keys", "re"), ["revoke"]);
  assert.deepEqual(await completed("agents", "--profile", "work", "apply", "--dry"), ["--dry-run"]);
  assert.deepEqual(await completed("completion", ""), ["bash", "zsh", "fish"]);
  assert.deepEqual(await completed("nonsense", ""), []);
});

test("ids and names come from the server, and none that a shell would take for more than a word", async () => {
  const agent = await api.client.beta.agents.create({ name: "clerk", model: "simulated" });
  await api.client.beta.agents.create({ name: "$(touch owned)", model: "simulated" });
  const environment = await api.client.beta.environments.create({ name: "cellar" });
  const session = await api.client.beta.sessions.create({
    agent: agent.id,
    environment_id: environment.id,
  });
  assert.deepEqual(await completed("sessions", "show", ""), ["last", session.id]);
  assert.deepEqual(await completed("agents", "show", "cl"), ["clerk"]);
  assert.ok((await completed("chat", "")).every((word) => /^\w+$/.test(word)));
  assert.deepEqual(await completed("run", "--environment", "ce"), ["cellar"]);
  assert.deepEqual(await completed("run", "--file", ""), []);
  const down = await drover(["complete", "--", "sessions", "show", ""], {
    env: { DROVER_BASE_URL: "http://127.0.0.1:9" },
  });
  assert.deepEqual(down, { code: 0, out: "", err: "" });
});

test("bash asks for them, of words that it takes apart too", async () => {
  assert.deepEqual(await completedIn("bash", drover), ["set", "show"]);
  await api.client.beta.agents.create({ name: "desk:east", model: "simulated" });
  const { port } = new URL(api.url);
  const line = `drover agents show --base-url http://127.0.0.1:${port}  desk:e`;
  const words = `drover agents show --base-url http : //127.0.0.1 : ${port} desk : e`;
  const elsewhere = droverOf({ url: "http://127.0.0.1:9", key: testKey });
  const ask = `COMP_LINE="${line}"; COMP_WORDS=(${words}); COMP_CWORD=11; _drover; printf "%s\\n" "\${COMPREPLY[@]}"`;
  // A server that is slow is not waited for.
  const deadline = Date.now() + 60_000;
  let found = await completedIn("bash", elsewhere, ask);
  while (found[0] === "" && Date.now() < deadline) found = await completedIn("bash", elsewhere, ask);
  elsewhere.close();
  assert.deepEqual(found, ["east"]);
  assert.deepEqual(await completed("sessions", "ls", "--status", "r"), ["rescheduling", "running"]);
});
