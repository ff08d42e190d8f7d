import assert from "node:assert/strict";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { type GitServer, startGitServer } from "./fakes/git-server.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { follow, isIdle, listed, message, prepare, resultsIn, send } from "./harness/session.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-repositories-"));
const config = join(folder, "drover.yaml");
const token = "ghp_0123456789abcdefghij";
let git: GitServer;
before(async () => {
  git = await startGitServer();
  writeFileSync(
    config,
    JSON.stringify({ repositories: { hosts: [{ url: git.url, private_network: true }] } }),
  );
});
after(async () => {
  await git.close();
  rmSync(folder, { recursive: true, force: true });
});

async function sessionWith(client: Anthropic, path: string): Promise<string> {
  const { agent_id, environment_id } = await prepare(client);
  git.create(path, { a: "1" });
  git.protect(path, token);
  const resource = {
    type: "github_repository" as const,
    url: `${git.url}/${path}`,
    authorization_token: token,
  };
  return (await client.beta.sessions.create({ agent: agent_id, environment_id, resources: [resource] })).id;
}

async function ended(client: Anthropic, id: string) {
  const following = await follow(client, id);
  const { status } = await client.beta.sessions.retrieve(id);
  if (status !== "idle") await following.until(isIdle);
  following.close();
  return listed(client, id);
}

const errorsIn = (events: { type: string }[]) => events.filter(({ type }) => type === "session.error");

async function inProcesses(crashable: boolean, run: (processes: Processes) => Promise<void>): Promise<void> {
  const processes = await startProcesses({ crashable, settings: { DROVER_CONFIG: config } });
  try {
    await run(processes);
  } catch (error) {
    throw new Error(processes.report(), { cause: error });
  } finally {
    await processes.close();
  }
}

test("a server that is killed while it fetches leaves the clone to the next one", () =>
  inProcesses(false, async (processes) => {
    await processes.hands();
    const first = await processes.serve(await freePort());
    const id = await sessionWith(first.client, "team/killed");
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    git.behave("team/killed", { hang: resolve });
    await send(first.client, id, message("bash cat killed/a"));
    await asked;
    const commands = globSync("/proc/[0-9]*/cmdline").map((path) => readOrNothing(path));
    assert.ok(commands.some((command) => command.includes("ls-remote") && command.includes("team/killed")));
    const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
    assert.ok(!commands.some((command) => command.includes(token) || command.includes(basic)));
    await first.kill();
    git.behave("team/killed", null);
    const next = await processes.serve(await freePort());
    const events = await ended(next.client, id);
    assert.deepEqual([resultsIn(events), errorsIn(events)], [["1"], []]);
  }));

// The steps of a clone: it looks, begins, brings a piece, and places.
for (const [at, steps] of [
  ["call_noted", [3]],
  ["call_ended", [0, 1, 2, 3]],
  ["call_kept", [3]],
] as const)
  test(`a host that dies at ${at} of a step ends with the repository there once`, () =>
    inProcesses(true, async (processes) => {
      const serve = await processes.serve(await freePort());
      for (const nth of steps) {
        const path = `team/${at}-${nth}`;
        const host = await processes.hands();
        const id = await sessionWith(serve.client, path);
        await host.crashAt({ point: at, nth });
        await send(
          serve.client,
          id,
          message(`bash cat ${at}-${nth}/a && git -C ${at}-${nth} status --short && ls -A`),
        );
        assert.equal(await host.ended, at);
        const again = await processes.hands();
        const events = await ended(serve.client, id);
        assert.deepEqual(resultsIn(events), [`1${at}-${nth}`]);
        assert.deepEqual(errorsIn(events), []);
        await again.stop();
      }
    }));

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
