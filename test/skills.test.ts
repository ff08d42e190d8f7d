import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import Anthropic, { toFile, type Uploadable } from "@anthropic-ai/sdk";
import { extractSkillArchive } from "@anthropic-ai/sdk/tools/agent-toolset/node";
import { startTestServer, type TestServer, testKey } from "./harness/server.ts";
import { filesOf, skillText, zipOf } from "./harness/skills.ts";

let api: TestServer;
let folder: string;
before(async () => {
  api = await startTestServer();
  folder = mkdtempSync(join(tmpdir(), "drover-skills-"));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await api.close();
});

const create = async (name: string, files: Record<string, string | Buffer> = {}) =>
  api.client.beta.skills.create({ files: await filesOf(name, { "SKILL.md": skillText(name), ...files }) });

const addVersion = async (id: string, name: string, description: string) =>
  api.client.beta.skills.versions.create(id, {
    files: await filesOf("any", { "SKILL.md": skillText(name, description) }),
  });

const refusal = async (asked: Promise<unknown>) => {
  const error = await asked.then(
    () => assert.fail("it was not refused"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof Anthropic.APIError, String(error));
  return error;
};

describe("both lines of the SDK", () => {
  for (const line of ["skills", "beta.skills"] as const) {
    test(`${line}: create, look, list, add a version, download, delete`, async () => {
      const skills = line === "skills" ? api.client.skills : api.client.beta.skills;
      const name = line === "skills" ? "plain-line" : "beta-line";
      const made = await skills.create({
        files: await filesOf(name, { "SKILL.md": skillText(name), "scripts/run.sh": "#!/bin/sh\necho hi\n" }),
        display_name: "A line",
      });
      assert.deepEqual(made, {
        id: made.id,
        type: "skill",
        display_name: "A line",
        latest_version_id: made.latest_version_id,
        source: { type: "custom" },
        created_at: made.created_at,
        updated_at: made.created_at,
      });
      assert.match(made.id, /^skill_01[A-Za-z0-9]{22}$/);
      assert.deepEqual(await skills.retrieve(made.id), made);
      const first = await skills.versions.retrieve("latest", { skill_id: made.id });
      assert.deepEqual(first, {
        id: made.latest_version_id,
        type: "skill_version",
        skill_id: made.id,
        name,
        description: `Does ${name}.`,
        created_at: made.created_at,
      });
      const second = await skills.versions.create(made.id, {
        files: await filesOf("other", { "SKILL.md": skillText(name, "Better.") }),
      });
      assert.equal((await skills.retrieve(made.id)).latest_version_id, second.id);
      const versions: string[] = [];
      for await (const { id } of skills.versions.list(made.id, { limit: 1 })) versions.push(id);
      assert.deepEqual(versions, [second.id, first.id]);
      const listed: string[] = [];
      for await (const { id } of skills.list({ source: "custom" })) listed.push(id);
      assert.ok(listed.includes(made.id));
      assert.deepEqual((await skills.list({ source: "anthropic" })).data, []);

      const answer = await api.client.beta.skills.versions.download(first.id, { skill_id: made.id });
      assert.match(answer.headers.get("content-disposition") ?? "", new RegExp(`filename="${name}\\.zip"`));
      const archive = Buffer.from(await answer.arrayBuffer());
      const place = join(folder, `${name}.zip`);
      writeFileSync(place, archive);
      const told = execFileSync("unzip", ["-Z", "-1", place], { encoding: "utf8" });
      assert.deepEqual(told.trim().split("\n"), [`${name}/SKILL.md`, `${name}/scripts/run.sh`]);

      assert.deepEqual(await skills.versions.delete(second.id, { skill_id: made.id }), {
        id: second.id,
        type: "skill_version_deleted",
      });
      assert.equal((await skills.retrieve(made.id)).latest_version_id, first.id);
      assert.deepEqual(await skills.delete(made.id), { id: made.id, type: "skill_deleted" });
      await assert.rejects(skills.retrieve(made.id), Anthropic.NotFoundError);
      await assert.rejects(
        skills.versions.retrieve(first.id, { skill_id: made.id }),
        Anthropic.NotFoundError,
      );
    });
  }
});

test("the SDK's worker unpacks what is downloaded, with what may be run", async () => {
  const script = "#!/bin/sh\necho hi\n";
  const made = await create("unpacked", { "scripts/run.sh": script, "data/näme.csv": "a,b\n", empty: "" });
  const answer = await api.client.beta.skills.versions.download(made.latest_version_id, {
    skill_id: made.id,
  });
  const place = join(folder, "unpacked");
  execFileSync("mkdir", [place]);
  await extractSkillArchive(answer, place);
  assert.equal(readFileSync(join(place, "SKILL.md"), "utf8"), skillText("unpacked"));
  assert.equal(readFileSync(join(place, "data/näme.csv"), "utf8"), "a,b\n");
  assert.equal(statSync(join(place, "empty")).size, 0);
  assert.equal(statSync(join(place, "scripts/run.sh")).mode & 0o777, 0o755);
  assert.equal(statSync(join(place, "SKILL.md")).mode & 0o777, 0o644);
});

test("an archive is the same bytes whoever has packed the same files, and however", async () => {
  const members = [
    { name: "packed/", content: "" },
    { name: "packed/SKILL.md", content: skillText("packed") },
    { name: "packed/run", content: "echo", mode: 0o100755 },
    { name: "packed/.DS_Store", content: "x" },
    { name: "__MACOSX/packed/._SKILL.md", content: "x" },
  ];
  const download = async (files: Uploadable[]) => {
    const made = await api.client.beta.skills.create({ files });
    const answer = await api.client.beta.skills.versions.download("latest", { skill_id: made.id });
    await api.client.beta.skills.delete(made.id);
    return Buffer.from(await answer.arrayBuffer());
  };
  const first = await download([await toFile(await zipOf(members), "a.zip")]);
  const again = await download([await toFile(await zipOf(members.toReversed()), "b.zip")]);
  assert.ok(first.equals(again));
  assert.ok(first.equals(await download([await toFile(first, "c.zip")])));
});

test("a skill's name is its own, and stays", async () => {
  const made = await create("taken");
  const taken = await refusal(create("taken"));
  assert.equal(taken.status, 409);
  assert.match(JSON.stringify(taken.error), /skill_name_taken/);
  const renamed = await refusal(addVersion(made.id, "other", "d"));
  assert.equal(renamed.status, 400);
  assert.match(renamed.message, /is .*other.*, but skill .* is called .*taken/);
  await api.client.beta.skills.delete(made.id);
  assert.notEqual((await create("taken")).id, made.id);
});

test("of many that make the same skill at once, one does", async () => {
  const ends = await Promise.allSettled(Array.from({ length: 6 }, () => create("raced", { data: "x" })));
  assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a skill always has a version, and its latest is the newest that is left", async () => {
  const made = await create("versioned");
  const only = await refusal(api.client.beta.skills.versions.delete("latest", { skill_id: made.id }));
  assert.match(only.message, /is the only version/);
  const added = await Promise.all(["b", "c", "d"].map((text) => addVersion(made.id, "versioned", text)));
  const { data } = await api.client.beta.skills.versions.list(made.id);
  assert.equal(data[0]?.id, (await api.client.beta.skills.retrieve(made.id)).latest_version_id);
  assert.equal(data.at(-1)?.id, made.latest_version_id);
  const ids = [made.latest_version_id, ...added.map(({ id }) => id)];
  const removed = await Promise.allSettled(
    ids.map((version) => api.client.beta.skills.versions.delete(version, { skill_id: made.id })),
  );
  assert.equal(removed.filter(({ status }) => status === "fulfilled").length, 3);
});

describe("it is refused", () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ["without a SKILL.md", { "a/README.md": "x" }, /"a\/SKILL\.md" is missing/],
    ["with SKILL.md not at its root", { "a/b/SKILL.md": skillText("a") }, /"a\/SKILL\.md" is missing/],
    ["with two folders", { "a/SKILL.md": skillText("a"), "b/x": "" }, /"b\/x": all files must be in one/],
    [
      "with a file beside the folder",
      { "a/SKILL.md": skillText("a"), x: "" },
      /"x": all files must be in one/,
    ],
    [
      "with a path that leads out",
      { "a/SKILL.md": skillText("a"), "a/../../x": "" },
      /may not contain \. or \.\./,
    ],
    ["with an absolute path", { "/a/SKILL.md": skillText("a") }, /must be relative/],
    ["with a drive", { "C:/SKILL.md": skillText("a") }, /must be relative/],
    ["with backslashes", { "a\\SKILL.md": skillText("a") }, /not with \\/],
    ["with empty parts", { "a//SKILL.md": skillText("a") }, /empty parts/],
    [
      "with names that differ by case alone",
      { "a/SKILL.md": skillText("a"), "a/B/x": "", "a/b/y": "" },
      /"a\/b": there is "a\/B" too/,
    ],
    [
      "with names that differ by the form of their characters alone",
      { "a/SKILL.md": skillText("a"), "a/\u00e9": "", "a/e\u0301": "" },
      /names must differ by more/,
    ],
    [
      "with a file where a folder is",
      { "a/SKILL.md": skillText("a"), "a/x": "", "a/x/y": "" },
      /there is "a\/x" too/,
    ],
    ["without front matter", { "a/SKILL.md": "# A\n" }, /must begin with front matter/],
    ["with broken YAML", { "a/SKILL.md": "---\nname: [\n---\n" }, /is no YAML/],
    ["without a description", { "a/SKILL.md": "---\nname: a\n---\n" }, /SKILL\.md: description: is required/],
    [
      "with a list as its description",
      { "a/SKILL.md": "---\nname: a\ndescription: [b]\n---\n" },
      /must be text/,
    ],
    [
      "with a number as its name",
      { "a/SKILL.md": "---\nname: 1\ndescription: d\n---\n" },
      /name: must be text/,
    ],
    ["with an empty description", { "a/SKILL.md": "---\nname: a\ndescription: ''\n---\n" }, /must say what/],
    [
      "with a long description",
      { "a/SKILL.md": skillText("a", "x".repeat(1_025)) },
      /description: must have at most 1024 /,
    ],
    [
      "with a long name",
      { "a/SKILL.md": skillText("a".repeat(65)) },
      /name: must have at most 64 characters/,
    ],
    [
      "with a name that is no slug",
      { "a/SKILL.md": skillText("A Skill") },
      /SKILL\.md: name: must be lower-case/,
    ],
    ["with no name at all", { "A b/SKILL.md": "---\ndescription: d\n---\n" }, /name: is required where/],
    [
      "with aliases that stand for very much",
      { "a/SKILL.md": "---\nx: &x [a, a]\ny: [*x, *x]\nname: a\ndescription: d\n---\n" },
      /cannot be read/,
    ],
  ];
  for (const [what, files, says] of cases)
    test(what, async () => {
      const form = new FormData();
      for (const [name, content] of Object.entries(files)) form.append("files[]", new Blob([content]), name);
      const answer = await fetch(`${api.url}/v1/skills`, {
        method: "POST",
        headers: { "x-api-key": testKey },
        body: form,
      });
      const body = await answer.text();
      assert.equal(answer.status, 400, body);
      assert.match(JSON.parse(body).error.message, says);
    });

  test("with no file, with other fields, with a display name of two lines, and when it is too large", async () => {
    const send = async (fill: (form: FormData) => void) => {
      const form = new FormData();
      fill(form);
      const headers = { "x-api-key": testKey };
      return (await fetch(`${api.url}/v1/skills`, { method: "POST", headers, body: form })).status;
    };
    const good = (form: FormData) => form.append("files[]", new Blob([skillText("never")]), "never/SKILL.md");
    assert.equal(await send((form) => form.append("display_name", "x")), 400);
    const fields = [
      ["other", "x"],
      ["display_name", "a\nb"],
      ["display_name", "x".repeat(256)],
    ] as const;
    for (const [name, value] of fields)
      assert.equal(
        await send((form) => {
          good(form);
          form.append(name, value);
        }),
        400,
      );
    assert.equal(
      await send((form) => {
        good(form);
        form.append("files[]", new Blob([Buffer.alloc(32 << 20)]), "never/large");
      }),
      413,
    );
  });
});

test("a folder without a name in its SKILL.md is called what it is called", async () => {
  const files = await filesOf("by-folder", {
    "SKILL.md": "\uFEFF---\r\ndescription: >\r\n  Two\r\n  lines.\r\n---\r\n",
  });
  const made = await api.client.beta.skills.create({ files });
  assert.equal(made.display_name, "by-folder");
  const version = await api.client.beta.skills.versions.retrieve("latest", { skill_id: made.id });
  assert.deepEqual([version.name, version.description], ["by-folder", "Two lines."]);
});
