import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import type Anthropic from "@anthropic-ai/sdk";
import { toFile } from "@anthropic-ai/sdk";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { testFolder } from "../src/hands/testing.ts";
import { type GitServer, startGitServer } from "./fakes/git-server.ts";
import { downloaded, filesOf, filesWhen } from "./harness/outputs.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, prepare, resultsIn, turn } from "./harness/session.ts";
import { newSkill } from "./harness/skills.ts";

/** Whole tasks, as a user would give them: what goes into a session, what is done with it, and what comes out. */

const folder = testFolder();
const problem = await bubblewrap({ data_dir: folder.path }).check();
folder.remove();
const skip = problem === null ? false : `no sandbox on this machine: ${problem}`;

let git: GitServer;
let api: TestServer;
let client: Anthropic;
let facts: Facts;
before(async () => {
  git = await startGitServer();
  api = await startTestServer({ repository_hosts: [{ url: git.url, private_network: true }] });
  client = api.client;
  facts = await prepare(client);
});
after(async () => {
  await api.close();
  await git.close();
});

type Resources = NonNullable<Anthropic.Beta.SessionCreateParams["resources"]>;

/** A session with what it is given. */
const given = async (resources: Resources, ...skills: { id: string }[]) => {
  const custom = skills.map(({ id }) => ({ type: "custom" as const, skill_id: id }));
  const agent = { type: "agent_with_overrides" as const, id: facts.agent_id, skills: custom };
  return (await client.beta.sessions.create({ agent, environment_id: facts.environment_id, resources })).id;
};

const upload = async (name: string, content: string) =>
  (await client.files.upload({ file: await toFile(Buffer.from(content), name) })).id;

/** One turn with these commands, one after the other, and what each of them has said. */
const work = async (id: string, ...commands: string[]) =>
  resultsIn(await turn(client, id, commands.map((command) => `bash ${command}`).join("\nthen\n")));

/** What the session has written, by its name, as the SDK downloads it. */
async function outputs(id: string, ...names: string[]): Promise<Map<string, Buffer>> {
  const files = await filesWhen(client, id, (all) =>
    names.every((name) => all.some(({ filename, downloadable }) => downloadable && filename === name)),
  );
  const written = files.filter(({ downloadable }) => downloadable);
  assert.deepEqual(written.map(({ filename }) => filename).toSorted(), names.toSorted());
  return new Map(
    await Promise.all(
      written.map(async ({ id, filename }) => [filename, await downloaded(client, id)] as const),
    ),
  );
}

const sums = `awk -F, 'NR > 1 { sum[$1] += $2 } END { for (region in sum) print region, sum[region] }'`;
const bars = `awk '{ printf "<rect y=\\"%d\\" width=\\"%d\\" height=\\"9\\"/>", NR * 10, $2 }'`;
const sales = "region,amount\nnorth,10\nsouth,32\nnorth,8\n";
const chart =
  '<svg xmlns="http://www.w3.org/2000/svg"><rect y="10" width="18" height="9"/><rect y="20" width="32" height="9"/></svg>\n';

describe("a task", { skip }, () => {
  test("a table is mounted and analysed, and the chart and the report come out byte for byte", async () => {
    const file_id = await upload("sales.csv", sales);
    const id = await given([{ type: "file", file_id, mount_path: "sales.csv" }]);
    const results = await work(
      id,
      `${sums} /mnt/session/uploads/sales.csv | sort > sums; cat sums`,
      `cd /mnt/session/outputs; (printf '<svg xmlns="http://www.w3.org/2000/svg">'; ${bars} /workspace/sums; echo '</svg>') > chart.svg`,
      "cd /mnt/session/outputs; gzip -n < chart.svg > chart.svgz; (echo '# Sales'; sed 's/^/* /' /workspace/sums) > report.md",
      "cd /mnt/session/outputs; sha256sum *",
    );
    assert.equal(results[0]?.trim(), "north 18\nsouth 32");
    const written = await outputs(id, "chart.svg", "chart.svgz", "report.md");
    assert.equal(String(written.get("report.md")), "# Sales\n* north 18\n* south 32\n");
    assert.equal(String(written.get("chart.svg")), chart);
    assert.equal(String(gunzipSync(written.get("chart.svgz") ?? "")), chart);
    const hashes = [...written]
      .map(([name, content]) => `${createHash("sha256").update(content).digest("hex")}  ${name}`)
      .toSorted((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1));
    assert.equal(results[3]?.trim(), hashes.join("\n"));
    await client.beta.sessions.delete(id);
    assert.deepEqual(await filesOf(client, id), []);
  });

  test("a repository is cloned, changed and committed, and the commit comes out as a patch", async () => {
    const commit = git.create("team/app", { "greeting.txt": "hello\n" });
    const id = await given([{ type: "github_repository", url: `${git.url}/team/app` }]);
    const results = await work(
      id,
      "cd app && git rev-parse HEAD && cat greeting.txt",
      "echo 'good day' > greeting.txt && git -c user.name=Agent -c user.email=agent@example.com commit -qam 'Greet politely' && git status --short --branch",
      "git format-patch -1 --stdout > /mnt/session/outputs/polite.patch && git log --format=%s",
    );
    assert.equal(results[0]?.trim(), `${commit}\nhello`);
    assert.match(results[1] ?? "", /^## main\.\.\.origin\/main \[ahead 1\]\s*$/);
    assert.match(results[2] ?? "", /^Greet politely\n/);
    const patch = String((await outputs(id, "polite.patch")).get("polite.patch"));
    assert.match(patch, /^Subject: \[PATCH\] Greet politely$/m);
    assert.match(patch, /^-hello\n\+good day$/m);
  });

  test("a skill is read, its script runs on a file, and what that makes comes out", async () => {
    const skill = await newSkill(client, "totals", {
      "scripts/total.sh": `#!/bin/sh\nset -e\n${sums} "$1" | sort > "$2"\n`,
    });
    const id = await given(
      [{ type: "file", file_id: await upload("sales.csv", sales), mount_path: "sales.csv" }],
      skill,
    );
    const [said] = resultsIn(await turn(client, id, 'call read {"file_path":"/mnt/skills/totals/SKILL.md"}'));
    assert.match(said ?? "", /Does totals\./);
    await work(
      id,
      "/mnt/skills/totals/scripts/total.sh /mnt/session/uploads/sales.csv /mnt/session/outputs/totals.txt",
    );
    const written = await outputs(id, "totals.txt");
    assert.equal(String(written.get("totals.txt")), "north 18\nsouth 32\n");
  });
});
