import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { author, startGitServer } from "../../test/fakes/git-server.ts";
import { limits } from "../limits.ts";
import { createReach } from "../net/reach.ts";
import { createRepositories } from "./fetch.ts";
import { openWorkingCopies } from "./working-copies.ts";

const server = await startGitServer();
const folder = mkdtempSync(join(tmpdir(), "drover-repository-skills-"));
const repositories = createRepositories({
  hosts: [{ url: server.url }],
  reach: createReach({ allow_private_hosts: ["127.0.0.1"], own: () => [] }),
  copies: openWorkingCopies(folder),
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function skillsOf(name: string) {
  const wanted = { url: `${server.url}/${name}`, token: null, checkout: null };
  const signal = new AbortController().signal;
  return repositories.fetch(wanted, { signal, onLine() {} }, async ({ skills }) => skills);
}

const text = (name: string, description = `Does ${name}.`) =>
  `---\nname: ${name}\ndescription: ${description}\n---\n# ${name}\n`;

test("a repository's skills are those one level deep, in the order of their folders", async () => {
  server.create("team/skilled", {
    ".claude/skills/b-two/SKILL.md": text("b-two"),
    ".claude/skills/a-one/SKILL.md": text("a-one"),
    ".claude/skills/a-one/run.sh": "true",
    ".claude/skills/SKILL.md": text("too-high"),
    ".claude/skills/deep/er/SKILL.md": text("too-deep"),
    "sub/.claude/skills/elsewhere/SKILL.md": text("elsewhere"),
    ".claude/skills/unnamed/SKILL.md": "---\ndescription: Has no name.\n---\n",
  });
  assert.deepEqual(await skillsOf("team/skilled"), [
    { name: "a-one", description: "Does a-one.", path: ".claude/skills/a-one/SKILL.md" },
    { name: "b-two", description: "Does b-two.", path: ".claude/skills/b-two/SKILL.md" },
    { name: "unnamed", description: "Has no name.", path: ".claude/skills/unnamed/SKILL.md" },
  ]);
  server.create("team/unskilled", { a: "1", ".claude/skills": "a file" });
  assert.deepEqual(await skillsOf("team/unskilled"), []);
});

test("what strangers have made to look like a skill is passed over", async () => {
  const many = Array.from({ length: limits.repository_skills_max + 5 }, (_, n) => [
    `.claude/skills/x${n}/SKILL.md`,
    text(`x${n}`),
  ]);
  server.create("evil/skills", Object.fromEntries(many));
  const found = await skillsOf("evil/skills");
  assert.ok(Array.isArray(found));
  assert.equal(found.length, limits.repository_skills_max);
  const wordy = Array.from({ length: 30 }, (_, n) => [
    `.claude/skills/x${n}/SKILL.md`,
    text(`x${n}`, "x".repeat(limits.skill_description_chars_max)),
  ]);
  server.create("evil/wordy", Object.fromEntries(wordy));
  const told = await skillsOf("evil/wordy");
  assert.ok(Array.isArray(told) && told.length > 10 && told.length < 20);
  server.create(
    "evil/odd",
    {
      ".claude/skills/plain/SKILL.md": text("plain"),
      ".claude/skills/large/SKILL.md": `${text("large")}${"x".repeat(limits.repository_skill_bytes_max)}`,
      ".claude/skills/no-matter/SKILL.md": "# nothing",
      ".claude/skills/long/SKILL.md": text("long", "x".repeat(limits.skill_description_chars_max + 1)),
      ".claude/skills/controlled/SKILL.md": text("controlled", '"\\e[2J"'),
      ".claude/skills/line\nend/SKILL.md": text("line-end"),
      ".claude/skills/:(glob)**/SKILL.md": text("magic"),
    },
    (git) => {
      const target = git("rev-parse", "main:.claude/skills/plain/SKILL.md").trim();
      const at = (mode: string, path: string) =>
        git("update-index", "--add", "--cacheinfo", `${mode},${target},.claude/skills/${path}`);
      at("120000", "linked/SKILL.md");
      at("120000", "link");
      git(...author, "commit", "--quiet", "-m", "links");
      assert.match(git("ls-tree", "-r", "main"), /^120000 .*linked\/SKILL\.md$/m);
    },
  );
  assert.deepEqual(await skillsOf("evil/odd"), [
    { name: "plain", description: "Does plain.", path: ".claude/skills/plain/SKILL.md" },
  ]);
});
