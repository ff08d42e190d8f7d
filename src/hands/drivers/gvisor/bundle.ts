import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../../limits.ts";
import { inside } from "../root-filesystem.ts";
import { makeRoot, type Parts } from "./mounts.ts";

/** What of gVisor's own processes is on the host: a user id for each, that nobody else has. */
export interface Keepers {
  /** Of the one that opens files, and root inside. */
  root: number;
  /** Of the one that is the kernel. */
  nobody: number;
}

export interface Bundle {
  path: string;
  /** Where runsc keeps what it knows of it. */
  state: string;
}

export interface BundleOptions {
  parts: Parts;
  argv: string[];
  env: Readonly<Record<string, string>>;
  keepers: Keepers;
}

/**
 * The first process has another user than those that it starts, so that they cannot end it, and what it needs to change
 * to theirs, signal them and enter their folders.
 */
const capabilities = ["SETUID", "SETGID", "SETPCAP", "KILL", "DAC_READ_SEARCH"].map((name) => `CAP_${name}`);

export function writeBundle(path: string, { parts, argv, env, keepers }: BundleOptions): Bundle {
  const state = join(path, "state");
  mkdirSync(state, { recursive: true });
  chownSync(state, keepers.root, keepers.root);
  const rootfs = join(path, "rootfs");
  makeRoot(rootfs, parts);
  for (const folder of [path, rootfs]) chmodSync(folder, 0o755);
  const sets = ["bounding", "effective", "inheritable", "permitted"];
  const spec = {
    ociVersion: "1.0.0",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: argv,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd: "/",
      noNewPrivileges: true,
      capabilities: Object.fromEntries(sets.map((set) => [set, capabilities])),
      rlimits: [
        { type: "RLIMIT_NOFILE", soft: limits.sandbox_open_files, hard: limits.sandbox_open_files_max },
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
      ],
    },
    root: { path: "rootfs", readonly: true },
    hostname: "sandbox",
    mounts: [{ type: "proc", source: "proc", destination: "/proc" }, ...parts.mounts],
    linux: { namespaces: ["pid", "ipc", "uts", "mount"].map((type) => ({ type })) },
  };
  writeFileSync(join(path, "config.json"), JSON.stringify(spec), { mode: 0o644 });
  return { path, state };
}

/** As whom the processes of a sandbox run: the sandbox's user id on the host is `inside.uid` there. */
export function userMap(id: number, root: number, nobody: number): string {
  const each = [
    [0, root],
    [inside.uid, id],
    [65_534, nobody],
  ];
  return each.map(([in_, out]) => `${in_} ${out} 1\n`).join("");
}
