import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});

const file = "agent.yaml";
const write = (text: string) => writeFileSync(join(drover.folder, file), text);
const apply = ["agents", "apply", "-f", file];

test("an agent is made of a file, changed into it, and left as it is", async () => {
  const first = `name: clerk\nmodel: simulated\nsystem: |\n  Be brief.\n  Be kind.\ntools:\n  - type: agent_toolset_20260401\nmetadata:\n  team: a\n`;
  write(first);
  assert.match(
    await drover.done([...apply, "--dry-run"]),
    /\+ name: clerk\n[\s\S]*agent "clerk" would be created\n$/,
  );
  assert.deepEqual(await drover.json(["agents", "ls", "--json"]), []);
  const id = /(agent_\w+) "clerk" is created\n$/.exec(await drover.done(apply))?.[1] ?? "";
  assert.equal(await drover.done(apply), `${id} "clerk" is as the file says: version 1\n`);

  write(first.replace("Be kind.", "Be \u202ebrave.").replace("team: a", "squad: b"));
  const would = await drover.done([...apply, "--dry-run"]);
  assert.match(would, /- {3}Be kind\.\n\+ {3}Be <U\+202E>brave\.\n/);
  assert.match(would, /- {3}team: a\n\+ {3}squad: b\n/);
  assert.match(would, new RegExp(`\\n${id} "clerk" would be changed from version 1\n$`));
  assert.match(await drover.done(apply), new RegExp(`\\n${id} "clerk" is changed: version 2\n$`));
  const agent = await drover.json(["agents", "show", "clerk", "--json"]);
  assert.deepEqual([agent.metadata, agent.system], [{ squad: "b" }, "Be brief.\nBe \u202ebrave.\n"]);

  write("name: clerk\nmodel: simulated\n");
  assert.match(await drover.done(apply), /is changed: version 3\n$/);
  const bare = await drover.json(["agents", "show", "clerk", "--json"]);
  assert.deepEqual([bare.tools, bare.system, bare.metadata], [[], null, {}]);
  assert.equal((await drover.json(["agents", "show", id, "--version", "1", "--json"])).metadata.team, "a");
});

test("a reader who has seen enough is no mistake", async () => {
  for (let n = 0; n < 30; n++)
    await api.client.beta.agents.create({
      name: `filler ${n}`,
      model: "simulated",
      system: "x".repeat(20_000),
    });
  const main = join(import.meta.dirname, "../src/main.ts");
  const { stdout, stderr } = await promisify(execFile)(
    "sh",
    ["-c", '"$0" "$1" agents ls --all --json | head -c 1', process.execPath, main],
    { env: drover.env },
  );
  assert.deepEqual([stdout, stderr], ["[", ""]);
});

const bomb = `a: &a [${"x,".repeat(99)}]\nb: &b [${"*a,".repeat(99)}]\nc: &c [${"*b,".repeat(99)}]\nname: x\nmodel: simulated\n`;

test("of several agents in a file the one that is refused is named; what is empty between them is nothing", async () => {
  write("---\nname: fine\nmodel: simulated\n---\nname: wrong\nmodel: simulated\ntools: 3\n---\n");
  const ended = await drover(apply);
  assert.deepEqual([ended.code, ended.err], [1, 'agent "wrong": tools: must be an array\n']);
  assert.match(ended.out, / "fine" is created\n$/);
});

test("a dry run says what would be refused", async () => {
  write("name: other\nmodel: simulated\ntools: 3\ncolour: red\n");
  const { code, out, err } = await drover([...apply, "--dry-run"]);
  assert.deepEqual(
    [code, err],
    [1, 'agent "other" would be refused: tools: must be an array; colour: unknown field\n'],
  );
  assert.match(out, /\+ colour: red\n$/);
});

test("all that a file leaves out is cleared, of what works together too", async () => {
  write("name: chief\nmodel: simulated\nexecution_identity: {type: service_account}\n");
  const id = /agent_\w+/.exec(await drover.done(apply))?.[0] ?? "";
  const chief = () => api.client.beta.agents.retrieve(id);
  const crew = {
    type: "enabled" as const,
    inline_agents: { type: "enabled" as const },
    predefined_agents: [],
  };
  await api.client.beta.agents.update(id, {
    multiagent: {
      type: "multiagent_20261001",
      workflows: { type: "disabled" },
      advisor: { type: "enabled", model: "simulated" },
    },
  });
  write("name: chief\nmodel: simulated\nmultiagent: {type: multiagent_20261001}\n");
  assert.match(await drover.done(apply), / is changed: version 3\n$/);
  assert.deepEqual((await chief()).multiagent, {
    type: "multiagent_20261001",
    subagents: crew,
    workflows: crew,
    advisor: { type: "disabled" },
  });
  assert.match(await drover.done(apply), / is as the file says: version 3\n$/);
  write("name: chief\nmodel: simulated\n");
  assert.match(await drover.done(apply), /- multiagent:\n[\s\S]* is changed: version 4\n$/);
  assert.equal((await chief()).multiagent, null);
  assert.match(await drover.done(apply), / is as the file says: version 4\n$/);
});

test("what show prints can be applied, unless another one was quicker", async () => {
  await api.client.beta.agents.create({ name: "printed", model: "simulated", system: "One." });
  const printed = await drover.done(["agents", "show", "printed", "--json"]);
  write(printed);
  assert.match(await drover.done(apply), / is as the file says: version 1\n$/);
  write(printed.replace("One.", "Two."));
  assert.match(await drover.done(apply), / is changed: version 2\n$/);
  assert.match(await drover.done(apply), / is as the file says: version 2\n$/);
  write(printed.replace("One.", "Three."));
  const late = await drover(apply);
  assert.deepEqual([late.code, late.out], [1, ""]);
  assert.match(late.err, /^agent_\w+ is at version 2, and the file says version 1: .*\n$/);
});

test("what is wrong with the file is said in a line, and nothing is changed", async () => {
  const wrong: [string, number, RegExp][] = [
    ["name: [", 2, /^agent\.yaml: \S.*\n$/],
    ["model: simulated\n", 2, /^agent\.yaml: agent: name: is required\n$/],
    ["", 2, /^agent\.yaml: holds no agent\n$/],
    ["---\n# nothing\n---\n", 2, /^agent\.yaml: holds no agent\n$/],
    ["[1]", 2, /^agent\.yaml: agent: must be an object\n$/],
    ["name: x\nmodel: simulated\nsystem: !file x\n", 2, /^agent\.yaml: Unresolved tag: !file .*\n$/],
    ["name: x\nmodel: simulated\nmetadata: {[a]: b}\n", 2, /^agent\.yaml: \S.*\n$/],
    ["name: x\nmodel: simulated\nmetadata: &m {m: *m}\n", 2, /^agent\.yaml: .*circular.*\n$/],
    ["name: x\nmodel: *m\n", 2, /^agent\.yaml: Unresolved alias .*\n$/],
    [bomb, 2, /^agent\.yaml: Excessive alias count .*\n$/],
    [
      "name: x\nmodel: simulated\n---\nname: x\nmodel: simulated\n",
      2,
      /^agent\.yaml: has agent "x" twice\n$/,
    ],
    ["name: x\nmodel: simulated\ntools: 3\n", 1, /^tools: .*\n$/],
    ["id: agent_unknown\nname: x\nmodel: simulated\n", 3, /^agent agent_unknown not found\n$/],
  ];
  for (const [text, code, err] of wrong) {
    write(text);
    const ended = await drover(apply);
    assert.deepEqual([ended.code, ended.out], [code, ""], ended.err);
    assert.match(ended.err, err);
  }
  const missing = await drover(["agents", "apply", "-f", "nowhere.yaml"]);
  assert.match(missing.err, /^ENOENT: no such file or directory, open 'nowhere\.yaml'\n$/);
  const refused = await drover(apply, { env: { DROVER_API_KEY: "not-the-key" } });
  assert.equal(refused.code, 4);
});
