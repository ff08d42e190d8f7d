import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { createBlobs } from "../src/files/blobs.ts";
import { folderStore } from "../src/files/folder.ts";
import { BlobMissing } from "../src/files/store.ts";
import { wholeReply } from "../src/models/wire.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";
import { defaultWorkspaceId } from "../src/protocol/principal.ts";
import { listMounts } from "../src/resources/sessions/mounts.ts";
import { pinsFor } from "../src/resources/skills/pins.ts";
import { sweepSkills } from "../src/resources/skills/remove.ts";
import { type FakeUpstream, startFakeUpstream } from "./fakes/upstream.ts";
import { sdkWorker } from "./harness/sdk-workers.ts";
import { newHostedSession, selfHosted, taken } from "./harness/self-hosted.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, follow, isIdle, message, prepare, saidIn, send } from "./harness/session.ts";
import { filesOf, newSkill, skillText } from "./harness/skills.ts";

let api: TestServer;
let facts: Facts;
let fake: FakeUpstream<unknown>;
let folder: string;
before(async () => {
  fake = await startFakeUpstream(() => wholeReply(wire, { text: ["Hello."] }));
  api = await startTestServer({
    models: { providers: { fake: { type: "openai-compatible", base_url: fake.url, api_key: "k" } } },
  });
  facts = await prepare(api.client);
  folder = mkdtempSync(join(tmpdir(), "drover-session-skills-"));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await api.close();
  await fake.close();
});

const wire = allWired.find(({ name }) => name === "openai-compatible")?.wire ?? assert.fail();

interface Wanted {
  id: string;
  version?: string;
}

const sessionWith = (...skills: Wanted[]) =>
  api.client.beta.sessions.create({
    agent: { type: "agent_with_overrides", id: facts.agent_id, skills: skills.map(custom) },
    environment_id: facts.environment_id,
  });

const custom = ({ id, version }: Wanted) => ({
  type: "custom" as const,
  skill_id: id,
  ...(version !== undefined && { version }),
});

const newVersion = async (id: string, name: string, files: Record<string, string>) =>
  api.client.beta.skills.versions.create(id, {
    files: await filesOf(name, { "SKILL.md": skillText(name, "Newer."), ...files }),
  });

const mountsOf = async (id: string) =>
  (await listMounts(api.db, id)).mounts.map(({ path, executable }) => [path, executable]);

const ahead = (interval: string) =>
  api.db.query(
    {
      name: `clock_${interval}`,
      text: `create or replace function drover_now() returns timestamptz language sql stable as
        $$ select clock_timestamp() + interval '${interval}' $$`,
    },
    [],
  );

describe("a session", () => {
  test("shows what was asked for, and has what that was when it was made", async () => {
    const skill = await newSkill(api.client, "pinned", { "scripts/run.sh": "#!/bin/sh\n", data: "1" });
    const session = await sessionWith(skill);
    assert.deepEqual(session.agent.skills, [{ type: "custom", skill_id: skill.id, version: "latest" }]);
    const { version } = await listMounts(api.db, session.id);
    assert.equal(version, 1);
    const mounts = [
      ["/mnt/skills/pinned/SKILL.md", false],
      ["/mnt/skills/pinned/data", false],
      ["/mnt/skills/pinned/scripts/run.sh", true],
    ];
    assert.deepEqual(await mountsOf(session.id), mounts);

    const newer = await newVersion(skill.id, "pinned", { other: "2" });
    assert.deepEqual(await mountsOf(session.id), mounts);
    assert.deepEqual(await mountsOf((await sessionWith(skill)).id), [
      ["/mnt/skills/pinned/SKILL.md", false],
      ["/mnt/skills/pinned/other", false],
    ]);
    const older = await sessionWith({ id: skill.id, version: skill.latest_version_id });
    assert.deepEqual(await mountsOf(older.id), mounts);
    assert.notEqual(newer.id, skill.latest_version_id);

    await api.client.beta.skills.delete(skill.id);
    assert.deepEqual(await mountsOf(session.id), mounts);
    const fork = await api.client.post<{ id: string }>(`/v1/sessions/${session.id}/fork`, { body: {} });
    assert.deepEqual(await mountsOf(fork.id), mounts);
    assert.ok((await listMounts(api.db, fork.id)).version > 0);
  });

  test("keeps a deleted skill alive, and nothing else does", async () => {
    const skill = await newSkill(api.client, "kept-alive");
    const session = await sessionWith(skill);
    await api.client.beta.skills.delete(skill.id);
    const versions = async () =>
      (
        await api.db.query({ name: "v", text: "select id from skill_version where skill_id = $1" }, [
          skill.id,
        ])
      ).length;
    const blobs = createBlobs(api.db, folderStore(api.files));
    const sweep = async () => {
      await sweepSkills(api.db);
      await blobs.releaseUnnamed(null);
    };
    const contents = (await listMounts(api.db, session.id)).mounts.map(({ sha256 }) => sha256);
    assert.equal(contents.length, 1);
    await ahead("25 hours");
    try {
      await sweep();
      assert.equal(await versions(), 1);
      for (const sha256 of contents) (await blobs.open(sha256)).destroy();
      await api.client.beta.sessions.delete(session.id);
      await sweep();
      assert.equal(await versions(), 0);
      for (const sha256 of contents) await assert.rejects(blobs.open(sha256), BlobMissing);
    } finally {
      await ahead("0");
    }
  });

  test("has each skill once, of all its agents together", async () => {
    const skill = await newSkill(api.client, "shared");
    const newer = await newVersion(skill.id, "shared", {});
    const pins = (...versions: string[]) =>
      pinsFor(
        api.db,
        defaultWorkspaceId,
        versions.map((version, n) => ({
          path: `agents.${n}`,
          skills: [{ type: "custom" as const, skill_id: skill.id, version }],
        })),
      );
    assert.deepEqual(await pins("latest", newer.id), [{ skill_id: skill.id, version_id: newer.id }]);
    await assert.rejects(
      pins("latest", skill.latest_version_id),
      /^ApiError: agents\.1\.skills\.0\.version: is /,
    );
  });

  test("is not made with a skill or a version that there is not, or with one of Anthropic's", async () => {
    const skill = await newSkill(api.client, "there");
    const other = await newSkill(api.client, "elsewhere");
    const refused = [
      [
        () => sessionWith({ id: "skill_01AAAAAAAAAAAAAAAAAAAAAA" }),
        Anthropic.NotFoundError,
        /agent\.skills\.0\.skill_id: skill/,
      ],
      [
        () => sessionWith(other, { id: skill.id, version: other.latest_version_id }),
        Anthropic.NotFoundError,
        /agent\.skills\.1\.version: skill/,
      ],
      [
        () =>
          api.client.beta.sessions.create({
            agent: {
              type: "agent_with_overrides",
              id: facts.agent_id,
              skills: [{ type: "anthropic", skill_id: "xlsx" }],
            },
            environment_id: facts.environment_id,
          }),
        Anthropic.BadRequestError,
        /agent\.skills\.0: Anthropic's skill .*xlsx.* is not on this server/,
      ],
    ] as const;
    for (const [asked, kind, says] of refused)
      await assert.rejects(asked(), (error) => error instanceof kind && says.test(error.message));
  });
});

test("the model is told of them, in each request the same", async () => {
  const agent = await api.client.beta.agents.create({
    name: "tester",
    model: "fake/m",
    tools: [{ type: "agent_toolset_20260401" }],
    skills: [custom(await newSkill(api.client, "zz-told")), custom(await newSkill(api.client, "aa-told"))],
  });
  const session = await api.client.beta.sessions.create({
    agent: agent.id,
    environment_id: facts.environment_id,
  });
  const following = await follow(api.client, session.id);
  for (let n = 1; n <= 2; n += 1) {
    await send(api.client, session.id, message("hello"));
    await following.until(isIdle, n);
    const { text } = fake.requests.at(-1) ?? assert.fail("it was not asked");
    const system = JSON.parse(text).messages[0].content as string;
    assert.match(
      system,
      /\n- aa-told \(\/mnt\/skills\/aa-told\/SKILL\.md\): Does aa-told\.\n- zz-told \(\/mnt\/skills\/zz-told\/SKILL\.md\): Does zz-told\.$/,
    );
  }
  following.close();
});

describe("on a self-hosted environment", () => {
  test("the SDK's worker fetches what the session was made with, and its tools find it", async () => {
    const own = await selfHosted(api);
    const skill = await newSkill(api.client, "fetched", {
      "scripts/run.sh": "#!/bin/sh\necho the first one\n",
    });
    const { id } = await newHostedSession(own, skill);
    await newVersion(skill.id, "fetched", { "scripts/run.sh": "#!/bin/sh\necho the second one\n" });
    await api.client.beta.skills.delete(skill.id);
    const stream = await follow(own.client, id);
    await send(own.client, id, message("bash skills/fetched/scripts/run.sh\nthen\necho"));
    const worker = sdkWorker(
      { client: own.client, environmentId: own.environmentId, environmentKey: own.key },
      { workdir: folder },
    );
    const events = await stream.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
    assert.match(saidIn(events), /the first one/);
    await worker.stop();
    stream.close();
    assert.ok(!existsSync(join(folder, "skills/fetched")));
  });

  test("its secret reaches the skills of its session, and its key those of its sessions", async () => {
    const own = await selfHosted(api);
    const [mine, beside, foreign] = await Promise.all(
      ["mine", "beside", "foreign"].map((name) => newSkill(api.client, `reached-${name}`)),
    );
    assert.ok(mine && beside && foreign);
    await newHostedSession(own, mine);
    const { holder } = await taken(own);
    await newHostedSession(own, beside);
    const newer = await newVersion(mine.id, "reached-mine", {});
    const read = (client: Anthropic, { id }: { id: string }, version = "latest") =>
      client.beta.skills.versions.retrieve(version, { skill_id: id });
    assert.equal((await read(holder, mine)).id, mine.latest_version_id);
    assert.equal((await read(own.worker, mine)).id, newer.id);
    assert.equal((await read(own.worker, beside)).id, beside.latest_version_id);
    await assert.rejects(read(holder, mine, newer.id), Anthropic.NotFoundError);
    await api.client.beta.skills.delete(mine.id);
    assert.equal((await read(own.worker, mine)).id, mine.latest_version_id);
    await assert.rejects(read(own.worker, mine, newer.id), Anthropic.NotFoundError);
    await assert.rejects(read(holder, beside), Anthropic.NotFoundError);
    await assert.rejects(read(own.worker, foreign), Anthropic.NotFoundError);
    for (const client of [holder, own.worker])
      await assert.rejects(client.beta.skills.list(), Anthropic.PermissionDeniedError);
  });
});
