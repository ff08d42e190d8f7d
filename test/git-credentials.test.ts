import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Egress, startEgress } from "../src/egress/egress.ts";
import { certificateOf, listen, upstreamAddress } from "./harness/egress.ts";
import { gitBackend } from "./harness/git-backend.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, prepare, resultsIn, turn } from "./harness/session.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-git-"));
chmodSync(folder, 0o711);
const root = join(folder, "repositories");
const vault_socket = join(folder, "vault.sock");
const tls = await certificateOf(folder, upstreamAddress);
const serve = gitBackend(root);
const { PATH = "" } = process.env;

let token = "ghp_0123456789abcdefghijABCDEF";
let api: TestServer;
let egress: Egress;
let facts: Facts;
let base = "";
/** What was asked, and as whom. */
const asked: { url: string; authorization: string | null }[] = [];

const upstream = createServer(tls, (request, response) => {
  const { authorization = null } = request.headers;
  asked.push({ url: request.url ?? "", authorization });
  if (authorization !== `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`)
    return void response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
  serve(request, response).catch(() => response.destroy());
});

function create(path: string): void {
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], {
      cwd: join(root, path),
      env: { PATH, HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" },
      stdio: "pipe",
    });
  mkdirSync(join(root, path), { recursive: true });
  git("init", "--quiet", "--bare", "--initial-branch=main");
  git("config", "http.receivepack", "true");
  const work = join(folder, "work");
  execFileSync("git", ["clone", "--quiet", join(root, path), work], { stdio: "pipe" });
  writeFileSync(join(work, "README.md"), "one\n");
  const inWork = ["-C", work, "-c", "user.name=T", "-c", "user.email=t@example.com"];
  execFileSync("git", [...inWork, "add", "."]);
  execFileSync("git", [...inWork, "commit", "--quiet", "-m", "first"]);
  execFileSync("git", [...inWork, "push", "--quiet", "origin", "HEAD:main"]);
  rmSync(work, { recursive: true });
}

before(async () => {
  // Serve's own git knows the authorities of this machine alone.
  const programs = join(folder, "bin");
  mkdirSync(programs);
  const git = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  writeFileSync(join(programs, "git"), `#!/bin/sh\nGIT_SSL_CAINFO=${tls.ca_file} exec ${git} "$@"\n`);
  chmodSync(join(programs, "git"), 0o755);
  create("team/project");
  create("team/other");
  process.env.PATH = `${programs}:${PATH}`;
  base = `https://${upstreamAddress}:${await listen(upstream)}`;
  api = await startTestServer({ vault_socket, repository_hosts: [{ url: base, private_network: true }] });
  egress = await startEgress({
    socket_path: join(api.hands.folder, "egress.sock"),
    vault_socket,
    believed_ms: 200,
    authorities: [tls.ca],
    allow_private_hosts: [upstreamAddress],
    package_hosts: [],
  });
  facts = await prepare(api.client);
});
after(async () => {
  process.env.PATH = PATH;
  await api.close();
  await egress.close();
  upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(id: string, ...commands: string[]): Promise<string[]> {
  const events = await turn(api.client, id, commands.map((each) => `bash ${each}`).join("\nthen\n"));
  assert.ok(!JSON.stringify(events).includes(token), "no event shows the token");
  return resultsIn(events).map((said) => said.trimEnd());
}

const headOf = (path: string, branch: string) =>
  execFileSync("git", ["-C", join(root, path), "log", "-1", "--format=%s", branch], {
    encoding: "utf8",
  }).trim();

const commit = (name: string) =>
  `echo ${name} >> README.md && git -c user.name=A -c user.email=a@b commit -qam ${name}`;

describe("git in a sandbox", () => {
  let id = "";
  let resource = "";
  before(async () => {
    const session = await api.client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
      resources: [{ type: "github_repository", url: `${base}/team/project`, authorization_token: token }],
    });
    id = session.id;
    const [given] = session.resources;
    assert.ok(given?.type === "github_repository");
    resource = given.id;
  });

  test("fetches, pulls, pushes and clones with the session's token, and has a plain URL", async () => {
    const [remote, pushed, cloned] = await run(
      id,
      "cd project && git remote get-url origin && git fetch && git pull -q",
      `${commit("second")} && git push -q origin main && git switch -qc topic && ${commit("third")} && git push -q -u origin topic; echo $?`,
      `git clone -q ${base}/team/project /tmp/again && git -C /tmp/again log --format=%s`,
    );
    assert.equal(remote, `${base}/team/project`);
    assert.equal(pushed, "0");
    assert.equal(cloned, "second\nfirst");
    assert.equal(headOf("team/project", "main"), "second");
    assert.equal(headOf("team/project", "topic"), "third");
  });

  test("has nothing of the token", async () => {
    const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
    writeFileSync(api.workspace(id).path("wanted"), `${token}\n${basic}\n`, { mode: 0o644 });
    const places =
      "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /run /etc /tmp /home /mnt /dev/shm /workspace/project";
    const [found] = await run(id, `grep -rlsaFf /workspace/wanted -D skip ${places} || echo nowhere`);
    assert.equal(found, "nowhere");
  });

  test("asks for no other repository with it", async () => {
    asked.length = 0;
    const [said = ""] = await run(id, `GIT_TERMINAL_PROMPT=0 git clone ${base}/team/other /tmp/other`);
    assert.match(said, /Authentication failed|could not read Username/);
    assert.deepEqual(
      asked.map(({ authorization }) => authorization),
      asked.map(() => null),
    );
    assert.ok(asked.length > 0);
  });

  test("pushes by the new token once the resource has it, and fails as git does while it is wrong", async () => {
    token = "ghp_another-one-0123456789abcdef";
    const push = "cd /workspace/project && GIT_TERMINAL_PROMPT=0 git push -q origin topic; echo $?";
    const [wrong = ""] = await run(id, `cd /workspace/project && ${commit("fourth")}; ${push}`);
    assert.match(wrong, /Authentication failed|could not read Username/);
    assert.equal(headOf("team/project", "topic"), "third");
    await api.client.beta.sessions.resources.update(resource, { session_id: id, authorization_token: token });
    let said = "";
    do [said = ""] = await run(id, push);
    while (said !== "0");
    assert.equal(headOf("team/project", "topic"), "fourth");
  });
});
