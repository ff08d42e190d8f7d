import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { openSharedFolder } from "../../../src/hands/checkpoints/shared-folder.ts";
import { takeCheckpoint } from "../../../src/hands/checkpoints/take.ts";
import { testSpec } from "../../../src/hands/testing.ts";
import { never } from "../../../src/hands/testing-host.ts";
import type { Group } from "../attempt.ts";
import { attacker, python, type Rig } from "../rig.ts";

const linked = (target: string) => `
link = "link" + str(os.getpid())
os.symlink(${target}, link)
said = reading(link)
os.unlink(link)`;

/** Makes what would trip a host that reads it, in a workspace of its own. */
const traps = (secret: string) => `
import os, socket
os.chdir("/workspace")
os.symlink(${JSON.stringify(secret)}, "link")
os.symlink("/proc/1/environ", "environ")
os.symlink("../../../secret", "climbing")
os.makedirs("closed/inner"); os.chmod("closed", 0)
os.mkfifo("pipe"); socket.socket(socket.AF_UNIX).bind("socket")
os.symlink("loop", "loop"); os.link("link", "hard")
with open("hole", "w") as hole: hole.truncate(${testSpec.limits.file_bytes})
for name in [b"bad\\xff", b"new\\nline", b"\\x1b]0;title\\x07", b"-rf", b"$(touch hit)", b"..."]: open(name, "w").write("odd")
for _ in range(300): os.mkdir("d" * 200); os.chdir("d" * 200)
`;

async function trapped(rig: Rig, name: string): Promise<void> {
  const program = traps(join(rig.folder.path, "secret"));
  assert.equal(await rig.sh(name, `${python} -c '${program.replaceAll("'", `'"'"'`)}' 2>&1`), "");
}

export const files: Group = {
  name: "files and symlinks",
  attempts: [
    {
      name: "a file of the host, by its path and by what is left of it under any mount",
      program: `
assert find("/usr/bin/env")
said = find(host["secret"]) or "absent"`,
      holds: "absent",
    },
    { name: "a link to a file of the host", program: linked(`host["secret"]`), holds: "ENOENT" },
    { name: "a link that climbs", program: linked(`"../" * 20 + host["secret"]`), holds: "ENOENT" },
    {
      name: "a link through the root of the first process",
      program: linked(`"/proc/1/root" + host["secret"]`),
      holds: "ENOENT",
    },
    {
      name: "a link through its own descriptors",
      program: `
fd = os.open("/workspace", os.O_RDONLY)
${linked(`f"/proc/self/fd/{fd}/../../.." + host["secret"]`)}`,
      holds: "ENOENT",
    },
    {
      name: "openat() from a folder of its own, upwards",
      program: `
fd = os.open("/workspace", os.O_RDONLY)
assert os.open("of-the-attacker", os.O_RDONLY, dir_fd=fd)
said = attempt(lambda: os.open("../.." + host["secret"], os.O_RDONLY, dir_fd=fd))`,
      holds: "ENOENT",
    },
    {
      name: "a hard link to a program of the host",
      program: `
os.link("of-the-attacker", "second-name")
said = attempt(os.link, "/usr/bin/env", "/workspace/env")`,
      holds: "EXDEV",
    },
    {
      name: "writing to the host's programs and settings",
      program: `
assert writing("of-the-attacker") == "allowed"
paths = ["/usr/bin/env", "/etc/passwd", "/etc/hosts", "/etc/ld.so.cache", "/run/init", "/usr/new", "/etc/new", "/new"]
said = all_of({p: closed(open_for(os.O_WRONLY | (0 if os.path.exists(p) else os.O_CREAT), p)) for p in paths})`,
      holds: "closed",
    },
    {
      name: "replacing the host's pipes and kept outputs",
      program: `
paths = ["/run/drover/x", "/mnt/session/tool_results/x", "/mnt/session/uploads/x"]
said = all_of({p: attempt(os.symlink, "/etc/passwd", p) for p in paths})`,
      holds: "EROFS",
    },
    {
      name: "a set-user-id bit that the host's disk would keep",
      async attack(rig) {
        await rig.sh(attacker, "cp /usr/bin/id su && chmod 6755 su");
        const { uid } = lstatSync(join(rig.workspace(attacker), "su"));
        return uid === 0 ? "root's" : "its own user's";
      },
      holds: process.getuid?.() === 0 ? "its own user's" : /own/,
    },
    {
      name: "traps for a checkpoint: links, pipes, holes, odd names, folders without end",
      async attack(rig) {
        await trapped(rig, "trapped");
        mkdirSync(join(rig.folder.path, "storage"));
        const path = join(rig.folder.path, "storage");
        const storage = openSharedFolder(path, { known: null, make: true });
        assert.ok(storage);
        await takeCheckpoint(
          storage,
          {
            ...{
              session_id: "sesn_trapped",
              sandbox_id: "sbx_trapped",
              after_calls: ["call"],
              in_use: true,
              restored: null,
            },
            folders: rig.driver.keptFolders("sbx_trapped") ?? assert.fail("there is no workspace"),
            known_path: join(rig.folder.path, "known-files.json"),
          },
          never,
        );
        const kept = (text: string) => {
          const grep = ["-rlF", "--", text, join(path, "blobs")];
          return execFileSync("bash", ["-c", 'grep "$@" || true', "-", ...grep]).length > 0;
        };
        if (!kept("odd")) return "broken: nothing was kept";
        return kept("a secret of the host") || kept("PATH=") ? "the host's files were kept" : "its own alone";
      },
      holds: "its own alone",
    },
    {
      name: "traps for the tools, whose results are the host's",
      async attack(rig) {
        const read = async (path: string) =>
          JSON.stringify((await rig.tool("trapped", "read", { file_path: path })).content);
        const said = [];
        for (const path of ["link", "climbing", "pipe", "loop", "/proc/1/root/etc/shadow"])
          said.push(/secret of|root:/.test(await read(path)) ? `${path} was read` : "");
        const names = JSON.stringify((await rig.tool("trapped", "glob", { pattern: "*" })).content);
        if (!names.includes("hole")) return `broken: ${names}`;
        return said.join("") + (existsSync(join(rig.workspace("trapped"), "hit")) ? "a name was run" : "");
      },
      holds: "",
    },
    {
      name: "traps for the removal of a workspace",
      async attack(rig) {
        const outside = join(rig.folder.path, "outside");
        mkdirSync(outside);
        chmodSync(outside, 0o500);
        await rig.sh("trapped", `ln -s ${outside} folder-link; chmod 0 .`);
        await rig.end("trapped");
        const { mode } = lstatSync(outside);
        const left = readdirSync(join(rig.folder.path, "trash"));
        return `${existsSync(rig.workspace("trapped"))} ${(mode & 0o777).toString(8)} ${left.length}`;
      },
      holds: "false 500 0",
    },
  ],
};
