import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isRoot } from "./machine.ts";

const root = join(import.meta.dirname, "../..");

/** What parts load when it is first needed, by the file that does so. */
const late: Record<string, readonly string[]> = {
  "egress/egress.ts": ["./certificates.ts"],
  "net/guard.ts": ["undici"],
  "tools/mcp/connections.ts": ["@modelcontextprotocol/client"],
  "resources/session-pass/pass.ts": ["../../vault/authority.ts"],
};

/** Before a process gives up root: with the configuration. */
const early = /^(cli|config|authorize)\/|^models\/(ai-sdk\/dialects|anthropic\/platforms)\.ts$|^main\.ts$/;

test("what is loaded late is known", () => {
  const cwd = join(root, "src");
  const files = globSync("**/*.ts", { cwd }).filter(
    (file) => !/\.(test|spec)\.ts$|(^|\/)testing[^/]*\.ts$/.test(file) && !early.test(file),
  );
  const found = files.flatMap((file) => {
    const text = readFileSync(join(cwd, file), "utf8");
    const names = [...text.matchAll(/(?<!typeof )(?:import|load)\(\s*"([^"]+)"/g)].map(([, name]) => name);
    return names.length > 0 ? [[file, names]] : [];
  });
  assert.deepEqual(Object.fromEntries(found), late, "see that loadLate in src/cli loads it too");
});

/** As the user that the process becomes. */
const uses: Record<string, string> = {
  serve: `
    const { createGuard, refusalIn } = await import("./src/net/guard.ts");
    const { loadAuthority } = await import("./src/resources/session-pass/pass.ts");
    const { loadLibrary } = await import("./src/tools/mcp/connections.ts");
    await become();
    const guard = createGuard({ allow_private_hosts: [] });
    const why = await guard.fetch("http://127.0.0.1/").catch((error) => refusalIn(error) ?? Promise.reject(error));
    if (!why.includes("127.0.0.1")) throw new Error(why);
    await (await loadAuthority()).makeSessionAuthority("sesn_1", Date.now());
    await loadLibrary();`,
  egress: `
    const { loadCertificates } = await import("./src/egress/egress.ts");
    await become();
    (await loadCertificates()).createCertificates();`,
};

for (const [command, use] of Object.entries(uses)) {
  test(`whom ${command} becomes need not be able to read the program`, { skip: !isRoot() }, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "drover-child-"));
    const mounted = join(folder, "program");
    mkdirSync(mounted);
    t.after(() => {
      rmdirSync(mounted);
      rmdirSync(folder);
    });
    const run = (loadLate: string) => {
      const program = `
        const { dropPrivileges } = await import("./src/cli/child.ts");
        const { loadLate } = await import("./src/cli/${command}.ts");
        const become = () => dropPrivileges({ uid: 65534, gid: 65534 }, ${loadLate});
        ${use}
        process.exit(0);`;
      const mount =
        'mount --bind "$1" "$2/program" && cd "$2/program" && exec "$3" --input-type=module -e "$4"';
      return spawnSync("unshare", ["-m", "sh", "-c", mount, "sh", root, folder, process.execPath, program], {
        encoding: "utf8",
      });
    };
    const { status, stderr } = run("loadLate");
    assert.equal(stderr, "");
    assert.equal(status, 0);
    // The same of both, and egress has less to load.
    if (command === "egress") assert.match(run("async () => {}").stderr, /EACCES|ERR_MODULE_NOT_FOUND/);
  });
}
