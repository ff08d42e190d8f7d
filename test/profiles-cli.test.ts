import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";

const api = await startTestServer();
const drover = droverOf(null);
after(async () => {
  drover.close();
  await api.close();
});

const file = join(drover.folder, "config/drover/profiles.json");
const list = ["agents", "ls", "--json"];

test("a profile is kept for its owner alone, used, shown without its key, and forgotten", async () => {
  const set = await drover(["profiles", "set", "work", "--base-url", api.url], { input: `${testKey}\n` });
  assert.deepEqual([set.code, set.out], [0, ""], set.err);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(JSON.parse(readFileSync(file, "utf8")).profiles.work.api_key, testKey);

  assert.deepEqual(await drover.json(list), []);
  const shown = await drover.json(["profiles", "ls", "--json"]);
  assert.deepEqual(shown, [{ name: "work", base_url: api.url, has_key: true, used: true }]);
  assert.match(
    await drover.done(["profiles", "list"]),
    /^name +base url +key +in use\nwork +http\S+ +kept +yes\n$/,
  );

  await drover.done(["profiles", "set", "other", "--base-url", "http://127.0.0.1:9"], {
    input: "other-key-of-it",
  });
  assert.equal((await drover([...list, "--profile", "other"])).code, 5);
  assert.equal((await drover(list, { env: { DROVER_PROFILE: "other" } })).code, 5);
  await drover.done(["profiles", "use", "other"]);
  assert.equal((await drover(list)).code, 5);
  assert.deepEqual(await drover.json([...list, "--profile", "work"]), []);
  assert.deepEqual(await drover.json(list, { env: { DROVER_PROFILE: "work" } }), []);

  await drover.done(["profiles", "rm", "other"]);
  assert.ok(!readFileSync(file, "utf8").includes("other-key"));
  const unknown = await drover([...list, "--profile", "other"]);
  assert.equal(unknown.code, 3);
  assert.equal(
    unknown.err,
    'there is no profile "other": drover profiles set makes one, drover profiles ls shows them\n',
  );
});

test("a key goes to its own server and to no other", async () => {
  const heard: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    heard.push(request.headers.authorization ?? request.headers["x-api-key"]?.toString());
    response.writeHead(401, { "content-type": "application/json" });
    response.end(JSON.stringify({ type: "error", error: { type: "authentication_error", message: "no" } }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  await drover.done(["profiles", "set", "work", "--base-url", api.url], { input: testKey });
  await drover.done(["profiles", "use", "work"]);
  try {
    const unkeyed = await drover([...list, "--base-url", url]);
    assert.equal(unkeyed.code, 2);
    assert.match(unkeyed.err, /^No API key for http/);
    assert.deepEqual(heard, []);
    // The key of another server that the environment has goes not to the server of a profile.
    assert.deepEqual(
      await drover.json([...list, "--profile", "work"], { env: { DROVER_API_KEY: "of-another" } }),
      [],
    );
    const refused = await drover([...list, "--base-url", url], { env: { DROVER_API_KEY: "of-another" } });
    assert.deepEqual([refused.code, refused.err], [4, `The server at ${url} refuses the API key.\n`]);
    assert.match(heard.join(), /^(Bearer )?of-another$/);
    // An address that a profile knows has that profile's key.
    assert.deepEqual(await drover.json([...list, "--base-url", `${api.url}/`]), []);
  } finally {
    other.close();
  }
});

test("a key is not taken along to where its server redirects", async () => {
  const heard: unknown[] = [];
  const elsewhere = createServer((request, response) => {
    heard.push(request.headers);
    response.end("{}");
  }).listen(0, "127.0.0.1");
  const redirecting = createServer((_, response) => {
    const { port } = elsewhere.address() as AddressInfo;
    response.writeHead(307, { location: `http://localhost:${port}/v1/agents` }).end();
  }).listen(0, "127.0.0.1");
  await Promise.all([elsewhere, redirecting].map((server) => once(server, "listening")));
  const url = `http://127.0.0.1:${(redirecting.address() as AddressInfo).port}`;
  try {
    const { code, out, err } = await drover([...list, "--base-url", url], {
      env: { DROVER_API_KEY: testKey },
    });
    assert.deepEqual([code, out, heard], [1, "", []]);
    assert.match(
      err,
      /^The server at http\S+ redirects to http:\/\/localhost:\S+: name the address that it has\.\n$/,
    );
  } finally {
    for (const server of [elsewhere, redirecting]) server.close();
  }
});

test("the key of this machine's server goes to this machine's server", async () => {
  const fresh = droverOf(null);
  mkdirSync(join(fresh.folder, "data"));
  writeFileSync(join(fresh.folder, "data/api-key"), `${testKey}\n`);
  const DROVER_PORT = new URL(api.url).port;
  assert.deepEqual(await fresh.json(list, { env: { DROVER_PORT } }), []);
  assert.deepEqual(
    await fresh.json([...list, "--base-url", `http://localhost:${DROVER_PORT}`], { env: { DROVER_PORT } }),
    [],
  );
  assert.equal((await fresh([...list, "--base-url", api.url])).code, 2);
  fresh.close();
});

test("what is wrong with a profile is said in a line", async () => {
  const wrong: [string[], string, number, RegExp][] = [
    [["set", "new"], testKey, 2, /^a new profile needs the server's address: --base-url <url>\n$/],
    [["set", "new", "--base-url", api.url], "", 2, /^API key of http\S+: nothing was given\n$/],
    [["set", "../new", "--base-url", api.url], testKey, 2, /^error: .*'\.\.\/new' is invalid/],
    [["use", "nobody"], "", 3, /^there is no profile "nobody"/],
    [["rm", "constructor"], "", 3, /^there is no profile "constructor"/],
  ];
  for (const [args, input, code, err] of wrong) {
    const ended = await drover(["profiles", ...args], { input });
    assert.deepEqual([ended.code, ended.out], [code, ""]);
    assert.match(ended.err, err);
  }
  chmodSync(file, 0o644);
  const open = await drover(list);
  assert.deepEqual([open.code, open.err], [2, `${file} can be read by others: chmod 600 ${file}\n`]);
  chmodSync(file, 0o600);
  writeFileSync(file, "{}");
  assert.match(
    (await drover(list)).err,
    /is no file of profiles: mend it, or remove it and set them anew\n$/,
  );
});

test("wrong use is an exit of its own, and help is none", async () => {
  for (const args of [["nonsense"], ["agents"], ["agents", "nonsense"], ["agents", "ls", "--nonsense"], []]) {
    const { code, out } = await drover(args);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
  }
  assert.match(await drover.done(["--help"]), /Exit codes:\n {2}0 {2}done .*\n.*\n {2}2 {2}wrong use/);
  assert.match(await drover.done(["agents", "ls", "--help"]), /--base-url <url>/);
  const bench = await drover(["bench", "--json", "nonsense"]);
  assert.deepEqual([bench.code, bench.out], [2, ""]);
  assert.match(bench.err, /^There is no measure nonsense\.\n/);
});
