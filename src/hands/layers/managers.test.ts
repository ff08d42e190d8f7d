import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { installing, variablesOfMirrors } from "./managers.ts";

test("each installer is told of its mirror in its own words, and of no other", () => {
  assert.deepEqual(variablesOfMirrors({}), {});
  assert.deepEqual(
    variablesOfMirrors({
      cargo: "https://m.test/cargo",
      gem: "https://m.test/gem/",
      go: "https://m.test/go",
      npm: "https://m.test/npm/",
      pip: "http://m.test:8080/simple",
    }),
    {
      CARGO_MIRROR: "sparse+https://m.test/cargo/",
      GEM_MIRROR: "https://m.test/gem/",
      GOPROXY: "https://m.test/go",
      NPM_CONFIG_REGISTRY: "https://m.test/npm/",
      PIP_INDEX_URL: "http://m.test:8080/simple",
      PIP_TRUSTED_HOST: "m.test",
    },
  );
});

test("cargo is told in a file, and where there is no mirror it is told nothing", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "drover-cargo-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const script = installing.find(({ manager }) => manager === "cargo")?.script ?? "";
  const run = (env: Record<string, string>) =>
    execFileSync(
      "bash",
      ["-c", `cargo() { echo "cargo $*"; }; ${script.replace("exec ", "")}`, "install", "a@1"],
      {
        env: { PATH: "/usr/bin:/bin", CARGO_HOME: folder, ...env },
        encoding: "utf8",
      },
    );
  assert.equal(run({}), "cargo install --root /usr/local --no-track -- a@1\n");
  assert.equal(existsSync(join(folder, "config.toml")), false);
  run(variablesOfMirrors({ cargo: "https://m.test/cargo" }));
  assert.equal(
    readFileSync(join(folder, "config.toml"), "utf8"),
    '[source.crates-io]\nreplace-with = "mirror"\n[source.mirror]\nregistry = "sparse+https://m.test/cargo/"\n',
  );
});

test("gem asks its mirror alone", () => {
  const script = installing.find(({ manager }) => manager === "gem")?.script ?? "";
  const run = (env: Record<string, string>) =>
    execFileSync(
      "bash",
      ["-c", `gem() { echo "gem $*"; }; ${script.replace("exec ", "")}`, "install", "a:1"],
      {
        env: { PATH: "/usr/bin:/bin", ...env },
        encoding: "utf8",
      },
    );
  assert.equal(run({}), "gem install --no-document a:1\n");
  assert.equal(
    run(variablesOfMirrors({ gem: "https://m.test/gem/" })),
    "gem install --no-document --clear-sources --source https://m.test/gem/ a:1\n",
  );
});
