import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { restoreCheckpoint } from "../../../src/hands/checkpoints/restore.ts";
import { openSharedFolder } from "../../../src/hands/checkpoints/shared-folder.ts";
import { takeCheckpoint } from "../../../src/hands/checkpoints/take.ts";
import { listOutputs } from "../../../src/hands/outputs/list.ts";
import { readOutput } from "../../../src/hands/outputs/read.ts";
import { testSpec } from "../../../src/hands/testing.ts";
import { exec, never } from "../../../src/hands/testing-host.ts";
import type { Attack, Group } from "../attempt.ts";
import { python, type Rig } from "../rig.ts";

/** Swaps what two names stand for, a file or folder of its own and a link to the host's, as fast as it can. */
const swapping = (folder: string, secret: string, seconds: number) => `
import itertools, os, time
secret = ${JSON.stringify(secret)}
os.chdir(${JSON.stringify(folder)})
os.makedirs("folder", exist_ok=True)
open("folder/secret", "w").write("its own"); open("file", "w").write("its own")
os.symlink(os.path.dirname(secret), "folder-link"); os.symlink(secret, "file-link")
end = time.monotonic() + ${seconds}
while time.monotonic() < end:
    for a, b in [("folder", "folder-link"), ("file", "file-link")]:
        os.rename(a, "away"); os.rename(b, a); os.rename(a, b); os.rename("away", a)
`;

/** While that goes on in a sandbox; the swapping goes on for longer than the race, or ends with its sandbox. */
const race = (
  name: string,
  during: (rig: Rig, sandbox: string) => Promise<string>,
  holds: string,
  at = { folder: "/workspace", kept: "workspace" },
): Attack => ({
  name,
  async attack(rig) {
    const sandbox = "racer";
    const script = swapping(at.folder, join(rig.folder.path, "secret"), 2);
    const swaps = rig.run(sandbox, exec(python, "-I", "-S", "-c", script));
    while (!existsSync(join(rig.workspace(sandbox), "..", at.kept, "file-link")))
      await rig.sh(sandbox, "true");
    const said = await during(rig, sandbox);
    const how = await swaps;
    await rig.end(sandbox);
    const broken = how.status === "finished" && how.exit_code !== 0;
    return broken ? `broken: ${Buffer.from(how.stderr_base64, "base64")}` : said;
  },
  holds,
});

const holds = (folder: string, text: string) =>
  execFileSync("bash", ["-c", 'grep -rlF -- "$@" || true', "-", text, folder]).length > 0;

export const races: Group = {
  name: "races on the workspace",
  attempts: [
    race(
      "checkpoints",
      async (rig, sandbox) => {
        const path = join(rig.folder.path, "race-storage");
        mkdirSync(path);
        const storage = openSharedFolder(path, { known: null, make: true });
        assert.ok(storage);
        const what = {
          session_id: "sesn_racer",
          sandbox_id: "sbx_racer",
          after_calls: ["call"],
          in_use: true,
          restored: null,
        };
        const known_path = join(rig.folder.path, "race-known.json");
        let made = 0;
        for (let n = 0; n < 15; n += 1) {
          const folders = rig.driver.keptFolders(`sbx_${sandbox}`) ?? assert.fail("there is no workspace");
          made += (await takeCheckpoint(storage, { ...what, folders, known_path }, never)).checkpoint ? 1 : 0;
        }
        const staging = await rig.driver.stage("sbx_raced", testSpec);
        await restoreCheckpoint(
          storage,
          {
            ...{ session_id: "sesn_racer", folders: staging.folders, staging: staging.path, known_path },
            report_path: join(rig.folder.path, "restored.json"),
          },
          never,
        );
        const copied = holds(staging.path, "a secret of the host");
        await staging.discard();
        if (made === 0) return "broken: none was made";
        return holds(join(path, "blobs"), "a secret of the host") || copied ? "the host's" : "its own alone";
      },
      "its own alone",
    ),
    race(
      "the tools that read, search and write",
      async (rig, sandbox) => {
        const secret = join(rig.folder.path, "secret");
        let said = "";
        for (let n = 0; n < 6; n += 1) {
          for (const file_path of ["file", "folder/secret"])
            said += JSON.stringify(await rig.tool(sandbox, "read", { file_path }));
          said += JSON.stringify(
            await rig.tool(sandbox, "grep", { pattern: "secret of", path: "/workspace" }),
          );
          await rig.tool(sandbox, "write", { file_path: "file-link", content: "overwritten" });
        }
        if (readFileSync(secret, "utf8") !== "a secret of the host") return "written";
        return said.includes("a secret of the host") ? "read" : "neither read nor written";
      },
      "neither read nor written",
    ),
    race(
      "outputs that are taken",
      async (rig, sandbox) => {
        const kept = rig.driver.keptFolders(`sbx_${sandbox}`) ?? [];
        const outputs = kept.find(({ name }) => name === "outputs") ?? assert.fail("there is no such folder");
        const read = new Set<string>();
        for (let n = 0; n < 300; n += 1) {
          const list = await listOutputs(outputs, { rest_ms: 0 });
          for (const file of list.files)
            for (const path of [file.path, "file", "file-link", "folder/secret", "folder-link/secret"])
              read.add(String(readOutput(outputs, { ...file, path, offset: 0, length: 100 })));
        }
        read.delete("null");
        if (read.size === 0) return "broken: none was read";
        return [...read].every((text) => text === "its own") ? "its own alone" : "the host's";
      },
      "its own alone",
      { folder: "/mnt/session/outputs", kept: "outputs" },
    ),
    race(
      "the removal of the workspace",
      async (rig, sandbox) => {
        const outside = join(rig.folder.path, "kept-folder");
        mkdirSync(outside);
        writeFileSync(join(outside, "kept-file"), "kept", { mode: 0o600 });
        await rig.sh(sandbox, `ln -s ${outside} removed-link`);
        await rig.end(sandbox);
        const { mode } = statSync(join(outside, "kept-file"));
        const secret = statSync(join(rig.folder.path, "secret")).mode;
        return `${(mode & 0o777).toString(8)} ${(secret & 0o777).toString(8)} ${existsSync(rig.workspace(sandbox))}`;
      },
      "600 644 false",
    ),
  ],
};
