import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { testFolder } from "../src/hands/testing.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, prepare, resultsIn, turn } from "./harness/session.ts";
import { filesOf, newSkill, skillText } from "./harness/skills.ts";

const folder = testFolder();
const problem = await bubblewrap({ data_dir: folder.path }).check();
folder.remove();
const skip = problem === null ? false : `no sandbox on this machine: ${problem}`;

let api: TestServer;
let facts: Facts;
before(async () => {
  api = await startTestServer();
  facts = await prepare(api.client);
});
after(() => api.close());

const sessionWith = (...skills: { id: string }[]) =>
  api.client.beta.sessions.create({
    agent: {
      type: "agent_with_overrides",
      id: facts.agent_id,
      skills: skills.map(({ id }) => ({ type: "custom" as const, skill_id: id })),
    },
    environment_id: facts.environment_id,
  });

const newVersion = async (id: string, name: string, files: Record<string, string>) =>
  api.client.beta.skills.versions.create(id, {
    files: await filesOf(name, { "SKILL.md": skillText(name, "Newer."), ...files }),
  });

describe("in a sandbox", { skip }, () => {
  test("a skill's script runs where it lies, and nothing of the skill can be changed", async () => {
    const script = '#!/bin/sh\ncat "$(dirname "$0")/../greeting"\n';
    const skill = await newSkill(api.client, "greeter", {
      "scripts/run.sh": script,
      greeting: "hello from a skill\n",
    });
    const { id } = await sessionWith(skill);
    await newVersion(skill.id, "greeter", { greeting: "another one\n" });
    const answers = async (call: string) => resultsIn(await turn(api.client, id, call))[0] ?? "";
    const ran = await answers("bash /mnt/skills/greeter/scripts/run.sh");
    const read = await answers('call read {"file_path":"/mnt/skills/greeter/SKILL.md"}');
    const changed = await answers(
      "bash cd /mnt/skills/greeter; stat -c '%a %n' SKILL.md scripts/run.sh; touch new; echo x > greeting; rm -f greeting; cat greeting",
    );
    assert.match(ran, /^hello from a skill/);
    assert.match(read, /name: greeter/);
    assert.match(changed, /\d[45]4 SKILL\.md\n\d55 scripts\/run\.sh/);
    assert.equal(changed.match(/Read-only file system|Permission denied/g)?.length, 3);
    assert.match(changed, /hello from a skill\s*$/);
  });

  test("each session has its own, and one without skills an empty folder", async () => {
    const skill = await newSkill(api.client, "owned");
    const [one, other] = [await sessionWith(skill), await sessionWith()];
    assert.equal(resultsIn(await turn(api.client, one.id, "bash ls /mnt/skills"))[0]?.trim(), "owned");
    assert.doesNotMatch(resultsIn(await turn(api.client, other.id, "bash ls /mnt/skills"))[0] ?? "", /owned/);
  });
});
