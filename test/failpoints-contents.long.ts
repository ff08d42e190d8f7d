import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { toFile } from "@anthropic-ai/sdk";
import type { SessionCreateParams } from "@anthropic-ai/sdk/resources/beta/sessions/sessions";
import { type GitServer, startGitServer } from "./fakes/git-server.ts";
import { countDeaths, outcome, type Played, type Scene, startBrain, startScene } from "./harness/deaths.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, type Running, startProcesses } from "./harness/processes.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import { message, send } from "./harness/session.ts";
import { nothingLeft } from "./harness/uploads.ts";

const deaths = countDeaths("contents");
let git: GitServer;
let processes: Processes;
let scene: Scene;
let brain: Running;
let hands: Running;

before(async () => {
  git = await startGitServer();
  processes = await startProcesses({ crashable: true, repository_hosts: [git.url] });
  hands = await processes.hands();
  brain = await startBrain({ processes });
  scene = await startScene(processes);
});
after(async () => {
  await processes.close();
  await git.close();
});

async function begunWith(resource: NonNullable<SessionCreateParams["resources"]>[number]): Promise<Played> {
  const { agent_id, environment_id } = scene.facts;
  const resources = [resource];
  const { id } = await scene.api.client.beta.sessions.create({ agent: agent_id, environment_id, resources });
  return { ...scene, id, client: reconnecting(scene.api.client, id) };
}

const say = ({ id }: Played, command: string) =>
  send(scene.api.client, id, message(`bash echo run >> runs; ${command}\nthen\nsay done`));

/** What no row names is due for its removal, and somebody is there for that, until it is done. */
async function removed(): Promise<void> {
  const { db, filesFolder: files } = processes;
  await db.query({ name: "test_due", text: "update stray_blob set remove_at = drover_now()" }, []);
  const old = "update blob set used_at = drover_now() - interval '1 day'";
  await db.query({ name: "test_unnamed", text: old }, []);
  const jobs = await processes.serve(await freePort(), "--roles", "jobs");
  for (;;) {
    const left = await nothingLeft({ db, files }).catch((error: unknown) => error);
    const text = "select sha256 from blob where not exists (select from file f where f.sha256 = blob.sha256)";
    if (!left && (await db.query({ name: "test_of_nobody", text }, [])).length === 0) break;
    await pause(20);
  }
  await jobs.stop();
}

for (const point of ["content_stored", "content_kept"] as const) {
  test(`${point}: a server dies at the end of an upload, and nothing of it stays`, async () => {
    const api = await processes.serve(await freePort(), "--roles", "api");
    const file = await toFile(Buffer.from(`of ${point}`), "file.txt");
    await deaths.at(api, point, () =>
      assert.rejects(api.client.withOptions({ maxRetries: 0 }).files.upload({ file })),
    );
    await removed();
    assert.deepEqual((await scene.api.client.files.list()).data, []);
  });
}

async function mounting(at: string): Promise<Played> {
  const file = await toFile(Buffer.from(`of ${at}`), "file.txt");
  const { id: file_id } = await scene.api.client.files.upload({ file });
  return begunWith({ type: "file", file_id });
}

for (const point of ["blob_received", "mounts_filled"] as const) {
  test(`${point}: hands dies while it mounts a file, and has it for the call when it is back`, async () => {
    const session = await mounting(point);
    await deaths.at(hands, point, () => say(session, "cat /mnt/session/uploads/*"));
    hands = await processes.hands();
    const { results, runs } = await outcome(session);
    assert.deepEqual([results, runs], [[`of ${point}`], 1]);
  });
}

test("mounts_brought: a brain dies before the call that needs a file, which runs once", async () => {
  const session = await mounting("mounts_brought");
  await deaths.at(brain, "mounts_brought", () => say(session, "cat /mnt/session/uploads/*"));
  brain = await startBrain(scene);
  const { results, runs } = await outcome(session);
  assert.deepEqual([results, runs], [["of mounts_brought"], 1]);
});

for (const point of ["repository_fetched", "repository_placed"] as const) {
  test(`${point}: a brain dies while it clones a repository, whose skills the model is told of once`, async () => {
    const skill = "---\nname: release\ndescription: How we release.\n---\nRead this.";
    git.create(`team/${point}`, { a: "1", ".claude/skills/release/SKILL.md": skill });
    const session = await begunWith({
      type: "github_repository",
      url: `${git.url}/team/${point}`,
      mount_path: "/workspace/code",
      authorization_token: "ghp_0123456789",
    });
    await deaths.at(brain, point, () => say(session, "cat code/a; ls -A; git -C code status --short"));
    brain = await startBrain(scene);
    const { results, runs } = await outcome(session);
    assert.equal(runs, 1);
    const path = "/workspace/code/.claude/skills/release/SKILL.md";
    assert.equal(
      results[0],
      `1code\nruns\n[The repository at /workspace/code brings skills. When a task fits one, read its SKILL.md before you begin:\n- release (${path}): How we release.]`,
    );
  });
}

test("every place of these tests was met", () => deaths.assertComplete());
