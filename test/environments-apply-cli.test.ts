import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});

const file = "environment.yaml";
const apply = ["envs", "apply", "-f", file];
const write = (text: string) => writeFileSync(join(drover.folder, file), text);

test("an environment is made of a file, changed into it, and left as it is", async () => {
  const limited =
    "name: cellar\nconfig:\n  type: cloud\n  networking:\n    type: limited\n    allowed_hosts: [example.com]\n    allow_package_managers: true\n  packages:\n    pip: [rich]\nmetadata:\n  team: a\n";
  write(limited);
  assert.match(await drover.done([...apply, "--dry-run"]), /environment "cellar" would be created\n$/);
  assert.deepEqual(await drover.json(["envs", "ls", "--json"]), []);
  const id = /(env_\w+) "cellar" is created\n$/.exec(await drover.done(apply))?.[1] ?? "";
  assert.equal(await drover.done(apply), `${id} "cellar" is as the file says\n`);

  write("name: cellar\n");
  const would = await drover.done([...apply, "--dry-run"]);
  assert.match(would, /- +allowed_hosts:\n- +- example\.com\n/);
  assert.match(would, new RegExp(`\n${id} "cellar" would be changed\n$`));
  assert.match(await drover.done(apply), new RegExp(`\n${id} "cellar" is changed\n$`));
  const { config, metadata } = await drover.json(["envs", "show", "cellar", "--json"]);
  assert.deepEqual([config.networking, config.packages.pip, metadata], [{ type: "unrestricted" }, [], {}]);
  assert.equal(await drover.done(apply), `${id} "cellar" is as the file says\n`);
});
