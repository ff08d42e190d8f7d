import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fakeHosted } from "./fakes/hosted.ts";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";

const api = await startTestServer();
const hosted = await fakeHosted(api.url);
const drover = droverOf({ url: hosted.url, key: testKey });
after(async () => {
  drover.close();
  hosted.close();
  await api.close();
});
const write = (name: string, text: string) => writeFileSync(join(drover.folder, name), text);

test("a server without Drover's additions has all that is the API's", async () => {
  write("agent.yaml", "name: clerk\nmodel: simulated\n");
  write("environment.yaml", "name: cellar\nconfig: {type: cloud, packages: {pip: [rich]}}\n");
  for (const [noun, file] of [
    ["agents", "agent.yaml"],
    ["envs", "environment.yaml"],
  ] as const) {
    assert.match(await drover.done([noun, "apply", "-f", file]), / is created\n$/);
    assert.match(await drover.done([noun, "apply", "-f", file]), / is as the file says/);
  }
  write("environment.yaml", "name: cellar\n");
  assert.match(
    await drover.done(["envs", "apply", "-f", "environment.yaml"]),
    /-.*rich\n[\s\S]* is changed\n$/,
  );
  await drover.done(["run", "bash echo 1 > /mnt/session/outputs/one\nthen\nsay done", "--agent", "clerk"]);
  for (const args of [
    ["sessions", "ls"],
    ["sessions", "show", "last"],
    ["sessions", "events", "last"],
    ["agents", "show", "clerk"],
    ["envs", "show", "cellar"],
    ["files", "ls", "--session", "last"],
    ["skills", "ls"],
    ["vaults", "ls"],
  ])
    await drover.done(args);
  await drover.done(["vaults", "create", "Alice"]);
  await drover.done(["vaults", "set", "Alice", "KEY", "--any-host"], { input: "secret" });
  assert.match(await drover.done(["vaults", "show", "Alice"]), / KEY /);
  write("data.csv", "a,b\n");
  const id = (await drover.done(["files", "upload", "data.csv"])).trim();
  assert.match(await drover.done(["files", "show", id]), /name +data\.csv\n/);
});

test("what it does not have is said plainly, and is told from what is not there", async () => {
  await drover.done(["envs", "create", "own", "--self-hosted"]);
  await drover.done(["vaults", "create", "Bob"]);
  const only: [args: string[], route: string][] = [
    [["usage"], "/v1/usage"],
    [["usage", "--csv"], "/v1/usage"],
    [["audit", "sesn_any"], "/v1/sessions/{session_id}/audit"],
    [["sessions", "fork", "sesn_any"], "/v1/sessions/{session_id}/fork"],
    [["vaults", "uses", "Bob", "vcrd_any"], "/v1/vaults/{vault_id}/credentials/{credential_id}/uses"],
    [["envs", "work", "own"], "/v1/environments/{environment_id}/work_items"],
    [["envs", "keys", "create", "own"], "/v1/environments/{environment_id}/keys"],
    [["envs", "keys", "ls", "own"], "/v1/environments/{environment_id}/keys"],
    [["envs", "keys", "revoke", "own", "envkey_any"], "/v1/environments/{environment_id}/keys/{key_id}"],
  ];
  for (const [args, route] of only) {
    assert.deepEqual(await drover(args), {
      code: 1,
      out: "",
      err: `The server at ${hosted.url} does not have ${route}: it is an addition of Drover's, and no part of the official API.\n`,
    });
  }
  const here = { env: { DROVER_BASE_URL: api.url } };
  const missing: [args: string[], err: RegExp][] = [
    [["audit", "sesn_any"], /^session sesn_any not found\n$/],
    [["sessions", "fork", "sesn_any"], /^session sesn_any not found\n$/],
    [["vaults", "uses", "Bob", "vcrd_any"], /^credential vcrd_any not found\n$/],
    [["envs", "keys", "revoke", "own", "envkey_any"], /^.*envkey_any.* not found\n$/],
  ];
  for (const [args, err] of missing) {
    const ended = await drover(args, here);
    assert.deepEqual([ended.code, ended.out], [3, ""], ended.err);
    assert.match(ended.err, err);
  }
});
