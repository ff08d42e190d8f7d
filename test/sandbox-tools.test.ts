import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { without } from "../src/hands/layers/testing-host.ts";
import { heedless, type LimitedSession, limitedSession } from "./harness/limited-session.ts";
import { skipPublicHosts } from "./harness/public-hosts.ts";

describe("in a sandbox with a limited network, told of no proxy", {
  skip: skipPublicHosts,
}, () => {
  let session: LimitedSession;
  before(async () => {
    session = await limitedSession("a.test", "git.test");
  });
  after(() => session?.close());

  test("curl fetches, also where it ignores the proxy", { skip: without("curl") }, async () => {
    for (const url of ["http://a.test/x", "https://a.test/x"])
      for (const how of ["", "--noproxy '*'"]) await session.says(`curl -sS ${how} ${url} 2>&1`, url);
  });

  test("what is not allowed is refused to a program that heeds the proxy, and to one that does not", async () => {
    for (const how of ["", "--noproxy '*'"]) {
      const plain = await session.run(`curl -sS ${how} http://b.test/`);
      assert.match(plain.said, /b\.test:80: it is not one of the allowed_hosts/);
      assert.deepEqual(plain.refused, ["b.test:80"]);
      const within = await session.run(`curl -sS ${how} https://b.test/ 2>&1 || true`);
      assert.match(within.said, /^curl: \(\d+\)/);
      assert.deepEqual(within.refused, ["b.test:443"]);
    }
  });

  test("git clones, also where it ignores the proxy", { skip: without("git") }, async () => {
    for (const scheme of ["http", "https"])
      for (const how of ["", heedless]) {
        const clone = `${how} git clone -q ${scheme}://git.test/repo cloned 2>&1`;
        await session.says(`rm -rf cloned; ${clone}; cat cloned/file`, "cloned");
      }
  });

  test("wget fetches", { skip: without("wget") }, async () => {
    await session.says("wget -qO- http://a.test/x", "http://a.test/x");
  });

  test("npm installs from its own registry, and node fetches", { skip: without("npm") }, async () => {
    session.packages.npm("drover-cow", "2.0.0", { "index.js": "module.exports='moo'", "cli.js": "" });
    const install = "npm install --no-audit --no-fund --silent drover-cow 2>&1";
    await session.says(`${install}; node -p 'require("drover-cow")'`, "moo");
    const fetching = 'fetch("https://a.test/x").then((got) => got.text()).then(console.log)';
    await session.says(`node -e '${fetching}'`, "https://a.test/x");
  });

  test("pip installs from its own index", { skip: without("pip") }, async () => {
    session.packages.pip("drover_snake", "3.1", "length = 7\n");
    const install = "pip install -q --disable-pip-version-check --target lib drover_snake 2>&1";
    await session.says(
      `${install}; PYTHONPATH=lib python3 -c 'import drover_snake as s; print(s.length)'`,
      "7",
    );
  });
});
