import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { APIError } from "@anthropic-ai/sdk";
import { type GitServer, startGitServer } from "./fakes/git-server.ts";
import { longTest } from "./harness/long.ts";
import { beta, startTestServer, type TestServer } from "./harness/server.ts";
import {
  type Facts,
  follow,
  listed,
  message,
  prepare,
  resultsIn,
  send,
  setupsIn,
  turn,
} from "./harness/session.ts";

type Resources = NonNullable<Anthropic.Beta.SessionCreateParams["resources"]>;

const token = "ghp_0123456789abcdefghij";
const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
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

/** All that the database holds, as text. */
async function everythingIn(db: TestServer["db"]): Promise<string> {
  const tables = await db.query<{ name: string }>(
    { name: "test_tables", text: "select tablename as name from pg_tables where schemaname = 'public'" },
    [],
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const text = `select coalesce(json_agg(t)::text, '') as text from "${name}" t`;
    texts.push((await db.query<{ text: string }>({ name: `test_all_${name}`, text }, []))[0]?.text ?? "");
  }
  return texts.join("\n");
}

const filesIn = (folder: string): string[] =>
  globSync(join(folder, "**/*"), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** The files below a folder in which one of these stands. */
function filesThatHold(folder: string, secrets: readonly string[]): string[] {
  return filesIn(folder).filter((path) => secrets.some((secret) => readFileSync(path).includes(secret)));
}

const sessionWith = (...resources: Resources) =>
  client.beta.sessions.create({ agent: facts.agent_id, environment_id: facts.environment_id, resources });
const repository = (path: string, more: object = {}) => ({
  type: "github_repository" as const,
  url: `${git.url}/${path}`,
  ...more,
});
const forkOf = (id: string): Promise<Anthropic.Beta.BetaManagedAgentsSession> =>
  client.post(`/v1/sessions/${id}/fork`, { body: {}, headers: { "anthropic-beta": beta } });
const errorsIn = (events: readonly { type: string }[]) =>
  events.flatMap((event) => ("error" in event ? [event.error as Record<string, unknown>] : []));

const bash = async (id: string, ...commands: string[]) => {
  const events = await turn(client, id, commands.map((command) => `bash ${command}`).join("\nthen\n"));
  return { events, results: resultsIn(events) };
};

describe("a repository", () => {
  test("is cloned before the first command, and is changed and committed there", async () => {
    const commit = git.create("team/project", { "README.md": "one", "src/a.txt": "a" });
    git.protect("team/project", token);
    const session = await sessionWith(repository("team/project", { authorization_token: token }));
    const { results, events } = await bash(
      session.id,
      "cd project && git status --short --branch && git log --format=%H && cat README.md src/a.txt && git remote -v",
      "cd /workspace/project && echo two > README.md && git -c user.name=A -c user.email=a@b commit -qam two && git log --format=%s && git rev-parse HEAD~1",
      "env; cat /workspace/project/.git/config; ls -A /workspace; git config --list",
    );
    assert.deepEqual(errorsIn(events), []);
    assert.match(results[0] ?? "", /## main\.\.\.origin\/main/);
    assert.match(results[0] ?? "", new RegExp(`${commit}\n?onea`));
    assert.match(results[0] ?? "", new RegExp(`origin\t${git.url}/team/project \\(fetch\\)`));
    assert.match(results[1] ?? "", new RegExp(`two\nA change\n${commit}`));
    assert.ok(!results.join().includes(token) && !results.join().includes(basic));
    assert.ok(!(results[2] ?? "").includes(".drover-repositories"));
    const [start, ...rest] = setupsIn(events);
    assert.equal(start?.type, "span.environment_setup_start");
    assert.equal(rest.at(-1)?.type, "span.environment_setup_end");
    assert.ok(
      rest.some((event) => "message" in event && event.message?.startsWith(`${git.url}/team/project: `)),
    );
    assert.equal(
      (await bash(session.id, "git -C /workspace/project log --format=%s | head -1")).results[0],
      "two",
    );
  });

  test("is cloned at the branch or the commit that was asked for, to the path that was", async () => {
    const first = git.create("team/branches", { a: "1" }, (run) => run("branch", "-f", "feature/x", "main"));
    git.change("team/branches", { a: "2" });
    const session = await sessionWith(
      repository("team/branches", { checkout: { type: "branch", name: "feature/x" } }),
      repository("team/branches", {
        checkout: { type: "commit", sha: first },
        mount_path: "/workspace/at/it",
      }),
    );
    const { results } = await bash(
      session.id,
      "cat branches/a; git -C branches status --short --branch; git -C at/it status | head -1; git -C at/it rev-parse HEAD",
    );
    assert.equal(
      results[0],
      `1## feature/x...origin/feature/x\nHEAD detached at ${first.slice(0, 7)}\n${first}`,
    );
  });

  test("is cloned once, however many calls wait for it, and not again in later turns", async () => {
    git.create("team/once", { a: "1" });
    const session = await sessionWith(repository("team/once"));
    const before = git.requests.length;
    const events = await turn(
      client,
      session.id,
      'bash cat once/a\ncall read {"file_path":"/workspace/once/a"}',
    );
    assert.equal(setupsIn(events).filter(({ type }) => type.endsWith("start")).length, 1);
    assert.ok(resultsIn(events).every((result) => result.includes("1")));
    const asked = git.requests.length - before;
    assert.ok(asked > 0);
    const { events: later } = await bash(session.id, "rm -rf once; ls");
    assert.deepEqual(setupsIn(later), []);
    assert.equal(git.requests.length - before, asked);
  });

  test("brings skills, of which the model is told with the first result", async () => {
    const skill = "---\nname: release\ndescription: How we release.\n---\nRead this.";
    git.create("team/skilled", {
      ".claude/skills/release/SKILL.md": skill,
      ".claude/skills/a/b/SKILL.md": skill,
    });
    const session = await sessionWith(repository("team/skilled"));
    const { results } = await bash(session.id, "echo one", "echo two");
    assert.match(
      results[0] ?? "",
      /^one\n\[The repository at .* brings skills\. .*:\n- release \(\/workspace\/skilled\/\.claude\/skills\/release\/SKILL\.md\): How we release\.\]$/,
    );
    assert.equal(results[1], "two");
  });

  longTest("goes with a fork, whose workspace has it as it was", async () => {
    git.create("team/forked", { a: "1" });
    git.protect("team/forked", token);
    const session = await sessionWith(repository("team/forked", { authorization_token: token }));
    await bash(session.id, "echo changed > forked/a");
    const fork = await forkOf(session.id);
    const { results, events } = await bash(fork.id, "cat forked/a; git -C forked status --short");
    assert.deepEqual(errorsIn(events), []);
    assert.match(results[0] ?? "", /^changed\n M a\n/);
    assert.equal(fork.resources.length, 1);
    assert.notDeepEqual(fork.resources, session.resources);
  });
});

describe("a repository that cannot be had", () => {
  test("is told to the client and to the model, and the session goes on", async () => {
    git.create("team/locked", { a: "1" });
    git.create("team/other", { a: "other" });
    git.protect("team/locked", token);
    const session = await sessionWith(repository("team/locked"), repository("team/other"));
    const { events, results } = await bash(session.id, "ls; cat other/a", "ls");
    const [error, ...more] = errorsIn(events);
    assert.deepEqual(more, []);
    assert.deepEqual(error, {
      type: "repository_authentication_error",
      message:
        "The repository's server asks who wants it: it is private, or does not exist. Set its authorization_token.",
      repository_url: `${git.url}/team/locked`,
      retry_status: { type: "retrying" },
    });
    assert.match(
      results[0] ?? "",
      /^other\nother\n\[The repository .*\/team\/locked is not at \/workspace\/locked: .*Go on without it\.\]$/,
    );
    assert.equal(results[1], "other", "the model is told once");
    assert.ok(events.some(({ type }) => type === "session.status_idle"));
  });

  longTest("is tried again with a new token, in the next turn, and not without one", async () => {
    git.create("team/rotated", { a: "1" });
    git.protect("team/rotated", token);
    const session = await sessionWith(repository("team/rotated", { authorization_token: "ghp_old" }));
    const [resource] = session.resources;
    assert.ok(resource?.type === "github_repository");
    const first = await bash(session.id, "ls");
    assert.equal(errorsIn(first.events)[0]?.type, "repository_authentication_error");
    assert.deepEqual(errorsIn((await bash(session.id, "ls")).events), []);
    const updated = await client.beta.sessions.resources.update(resource.id, {
      session_id: session.id,
      authorization_token: token,
    });
    assert.ok(!JSON.stringify(updated).includes(token));
    const { results, events } = await bash(session.id, "cat rotated/a");
    assert.deepEqual(errorsIn(events), []);
    assert.match(
      results[0] ?? "",
      /^1\n\[The repository .* was cloned to \/workspace\/rotated just before this call\.\]$/,
    );
  });

  test("is told of in plain text, whatever has been prepared for git in the sandbox, which it never leaves", async () => {
    git.create("team/prepared", { a: "1" });
    git.protect("team/prepared", token);
    const session = await sessionWith(repository("team/prepared", { authorization_token: "ghp_old" }));
    const [resource] = session.resources;
    assert.ok(resource?.type === "github_repository");
    const hook = String.raw`mkdir -p ~/t/hooks; printf '#!/bin/sh\nenv > /workspace/seen; printf "\\033[31mread \\000\\342\\200\\256me" >&2; exit 1' > ~/t/hooks/reference-transaction; chmod +x ~/t/hooks/*; git config --global init.templateDir ~/t; git config --global url.http://127.0.0.1:1/.insteadOf ${git.url}/; ln -s /etc .drover-repositories`;
    await bash(session.id, hook);
    await client.beta.sessions.resources.update(resource.id, {
      session_id: session.id,
      authorization_token: token,
    });
    const { events, results } = await bash(session.id, "cat seen; ls -d prepared");
    const [error] = errorsIn(events);
    assert.equal(error?.type, "repository_clone_error");
    assert.match(String(error?.message), /read +me/);
    assert.doesNotMatch(String(error?.message), /[^\P{Cc}\n]|\u202e/u);
    assert.match(results[0] ?? "", /GIT_EXEC_PATH/, "the hook has run, in the sandbox");
    assert.ok(!results.join().includes(token) && !results.join().includes(basic));
    assert.ok(!(results[0] ?? "").includes("read"), "the model hears nothing of what it said");
  });

  longTest("is tried again by itself where that may help, but not for ever", async () => {
    git.create("team/flaky", { a: "1" });
    git.behave("team/flaky", { status: 500 });
    const session = await sessionWith(repository("team/flaky"));
    const errors: unknown[] = [];
    for (let i = 0; i < 5; i += 1) errors.push(...errorsIn((await bash(session.id, "ls")).events));
    assert.equal(errors.length, 3);
    const other = await sessionWith(repository("team/flaky"));
    await bash(other.id, "ls");
    git.behave("team/flaky", null);
    assert.match((await bash(other.id, "cat flaky/a")).results[0] ?? "", /^1\n\[The repository/);
  });

  const failures: [string, () => object, RegExp][] = [
    ["repository_forbidden_error", () => git.behave("team/x", { status: 403 }) ?? {}, /refuses access/],
    ["repository_not_found_error", () => git.behave("team/x", { status: 404 }) ?? {}, /none by this name/],
    ["repository_clone_error", () => git.behave("team/x", "cut") ?? {}, /could not be fetched/],
    [
      "repository_checkout_error",
      () => ({ checkout: { type: "branch", name: "none" } }),
      /The branch none does not exist/,
    ],
  ];
  for (const [type, arrange, says] of failures)
    test(`is a ${type}`, async () => {
      git.create("team/x", { a: "1" });
      const session = await sessionWith(repository("team/x", arrange()));
      const { events } = await bash(session.id, "ls");
      git.behave("team/x", null);
      git.remove("team/x");
      assert.deepEqual(
        errorsIn(events).map((error) => error.type),
        [type],
      );
      assert.match(String(errorsIn(events)[0]?.message), says);
    });

  test("because something else is at its place is told, and what is there stays", async () => {
    git.create("team/taken", { a: "1" });
    const environment = await client.beta.environments.create({
      name: "taken",
      config: { type: "cloud", ...{ setup: ["mkdir taken && echo mine > taken/a"] } },
    });
    const session = await client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: environment.id,
      resources: [repository("team/taken")],
    });
    const { events, results } = await bash(session.id, "cat taken/a");
    assert.match(String(errorsIn(events)[0]?.message), /there is something else at \/workspace\/taken/);
    assert.match(results[0] ?? "", /^mine/);
  });
});

describe("a repository whose sandbox is lost", () => {
  test("comes back with the workspace, or is cloned anew where that is empty", async () => {
    git.create("team/lost", { a: "1" });
    const session = await sessionWith(repository("team/lost"));
    const kept = api.hands.kept(session.id);
    await bash(session.id, "echo changed > lost/a");
    await kept;
    await api.hands.replace();
    const back = await bash(session.id, "cat lost/a", "cat lost/a");
    assert.match(back.results[0] ?? "", /^changed\n\[The sandbox of earlier calls is gone/);
    assert.equal(back.results[1], "changed");
    await api.hands.replace({ without_storage: true });
    const anew = await bash(session.id, "cat lost/a", "cat lost/a");
    assert.match(anew.results[0] ?? "", /the workspace is empty/);
    assert.match(
      anew.results[1] ?? "",
      /^1\n\[The repository .* was cloned to \/workspace\/lost just before this call\.\]$/,
    );
  });
});

describe("a clone that is interrupted", () => {
  test("ends with the interrupt, and begins anew with the next call", async () => {
    git.create("team/slow", { a: "1" });
    const session = await sessionWith(repository("team/slow"));
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    git.behave("team/slow", { hang: resolve });
    const following = await follow(client, session.id);
    await send(client, session.id, message("bash cat slow/a"));
    await asked;
    await send(client, session.id, { type: "user.interrupt" });
    await following.until(({ type }) => type === "session.status_idle");
    following.close();
    git.behave("team/slow", null);
    const { results, events } = await bash(session.id, "cat slow/a");
    assert.deepEqual([results, errorsIn(events)], [["1"], []]);
  });

  longTest("by the end of the server is finished by the next one, once", async () => {
    git.create("team/handed", { a: "1" });
    const hosts = { repository_hosts: [{ url: git.url, private_network: true }] };
    const first = await startTestServer(hosts);
    let next: TestServer | null = null;
    try {
      const start = await prepare(first.client);
      const { id } = await first.client.beta.sessions.create({
        agent: start.agent_id,
        environment_id: start.environment_id,
        resources: [repository("team/handed")],
      });
      const { promise: asked, resolve } = Promise.withResolvers<void>();
      git.behave("team/handed", { hang: resolve });
      await send(first.client, id, message("bash cat handed/a"));
      await asked;
      git.behave("team/handed", null);
      next = await startTestServer({ ...hosts, beside: first });
      const following = await follow(next.client, id);
      await first.stop();
      await following.until(({ type }) => type === "session.status_idle");
      following.close();
      const events = await listed(next.client, id);
      assert.deepEqual([resultsIn(events), errorsIn(events)], [["1"], []]);
      assert.equal(setupsIn(events).filter(({ type }) => type.endsWith("start")).length, 1);
    } finally {
      await next?.stop();
      await first.close();
    }
  });
});

describe("what is asked for", () => {
  const refused: [string, object | ((url: string) => object), RegExp][] = [
    ["an unknown host", { url: "https://example.com/a/b" }, /resources\.0\.url: must be http/],
    ["SSH", { url: "git@github.com:a/b" }, /SSH is not supported/],
    ["ssh://", { url: "ssh://git@github.com/a/b" }, /SSH is not supported/],
    ["a .git", (url) => ({ url: `${url}/a/b.git` }), /without \.git/],
    ["a token in the URL", (url) => ({ url: `${url.replace("//", "//x:y@")}/a/b` }), /authorization_token/],
    ["a query", (url) => ({ url: `${url}/a/b?x=1` }), /must be/],
    ["a path that climbs", (url) => ({ url: `${url}/../b` }), /must be/],
    ["one part too many", (url) => ({ url: `${url}/a/b/c` }), /must be/],
    [
      "an option for a branch",
      { checkout: { type: "branch", name: "--upload-pack=x" } },
      /the name of a branch/,
    ],
    ["half a SHA", { checkout: { type: "commit", sha: "abc123" } }, /whole SHA/],
    ["a path outside", { mount_path: "/etc/x" }, /beneath \/workspace/],
    ["the workspace itself", { mount_path: "/workspace" }, /beneath \/workspace/],
    ["a path that leads out", { mount_path: "/workspace/../x" }, /without empty names/],
    ["an empty token", { authorization_token: "" }, /authorization_token/],
    ["a token with a line break", { authorization_token: "a\nb" }, /authorization_token/],
  ];
  for (const [what, more, says] of refused)
    test(`with ${what} is refused`, async () => {
      const given = typeof more === "function" ? more(git.url) : more;
      await assert.rejects(sessionWith(repository("a/b", given)), (error: unknown) => {
        assert.ok(error instanceof APIError);
        assert.equal(error.status, 400);
        assert.match(error.message, says);
        return true;
      });
    });

  test("twice at one path is refused", async () => {
    const twice = sessionWith(repository("one/same"), repository("two/same"));
    await assert.rejects(twice, /resources\.1\.mount_path: \/workspace\/same collides with resources\.0/);
  });

  test("cannot be taken away, nor can there be more", async () => {
    git.create("team/fixed", { a: "1" });
    const session = await sessionWith(repository("team/fixed"));
    const [resource] = session.resources;
    assert.ok(resource?.type === "github_repository");
    const { id, url, mount_path, checkout } = resource;
    assert.match(id, /^sesrsc_/);
    assert.deepEqual([url, mount_path, checkout], [`${git.url}/team/fixed`, "/workspace/fixed", null]);
    const session_id = session.id;
    await assert.rejects(
      client.beta.sessions.resources.delete(id, { session_id }),
      /stays for as long as its session/,
    );
    const more = repository("team/fixed", { mount_path: "/workspace/b" }) as never;
    await assert.rejects(client.beta.sessions.resources.add(session_id, more), APIError);
  });
});

describe("a token", () => {
  test("is nowhere but with whom it is for", async () => {
    git.create("team/secret", { a: "1" });
    git.protect("team/secret", token);
    const session = await sessionWith(repository("team/secret", { authorization_token: token }));
    await bash(session.id, "cat secret/a; env; cat /proc/*/environ /proc/*/cmdline");
    git.behave("team/secret", { status: 403 });
    const refused = await sessionWith(repository("team/secret", { authorization_token: token }));
    await bash(refused.id, "ls");
    const answers = [
      await client.beta.sessions.retrieve(session.id),
      ...(await listed(client, session.id)),
      ...(await listed(client, refused.id)),
    ];
    const rows = await everythingIn(api.db);
    const folders = [api.hands.folder, api.files, `${api.files}-repositories`];
    const found = folders.flatMap((folder) => filesThatHold(folder, [token, basic]));
    assert.deepEqual(found, []);
    for (const secret of [token, basic, Buffer.from(token).toString("base64")])
      assert.ok(!JSON.stringify(answers).includes(secret) && !rows.includes(secret));
    assert.match(rows, /v1:[0-9a-f]{16}:/);
  });

  test("that cannot be opened is an error that says so, and no clone without it", async () => {
    git.create("team/moved-key", { a: "1" });
    const session = await sessionWith(repository("team/moved-key", { authorization_token: token }));
    await api.db.query(
      { name: "test_break_token", text: "update session_resource set token = $2 where session_id = $1" },
      [session.id, "v1:0000000000000000:AAAA:AAAA"],
    );
    const { events } = await bash(session.id, "ls");
    const [error] = errorsIn(events);
    assert.equal(error?.type, "repository_authentication_error");
    assert.match(String(error?.message), /cannot be opened by this server/);
  });
});
