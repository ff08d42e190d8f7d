import { posix } from "node:path";
import { limits } from "../../../limits.ts";
import { mountRoots, type SandboxSpec } from "../../wire.ts";
import { initInside, mountsOf, outputsInside, pipesInside, toolResultsInside } from "../isolation.ts";
import { masked } from "../proc.ts";
import { inside } from "../root-filesystem.ts";
import type { SandboxFolder } from "../sandbox-folders.ts";
import type { TrustMount } from "../trust.ts";
import type { SeccompProfile } from "./seccomp-profile.ts";

export interface ContainerOptions {
  image: string;
  runtime: string | null;
  spec: SandboxSpec;
  folder: SandboxFolder;
  trusted: readonly TrustMount[];
  user: { uid: number; gid: number };
  env: Readonly<Record<string, string>>;
  pipes_read_only: boolean;
  /** Variables of the image that are not set. */
  left_out: string[];
  /** What of the image is seen as this empty folder. */
  covered: { folder: string; paths: string[] };
  labels: Record<string, string>;
  /** Of the first process, on the host. */
  program: string;
  /** Files of /etc that are ours, by name. */
  etc: Record<string, string>;
  seccomp: SeccompProfile;
  /** Of the container as a whole, what makes it included. */
  held: { memory_bytes: number; processes: number };
}

/** What the engine is asked to create: a container that can do nothing but run programs over these folders. */
export function containerOf(options: ContainerOptions): Record<string, unknown> {
  const { spec, folder, user, held } = options;
  const { cpu, processes, tmp_bytes, file_bytes } = spec.limits;
  const rlimits = [processes, Math.ceil(file_bytes / 1024), "unlimited", 0];
  const openFiles = [limits.sandbox_open_files, limits.sandbox_open_files_max];
  const ofMemory = (bytes: number) => `rw,exec,nosuid,nodev,mode=1777,size=${bytes}`;
  return {
    Image: options.image,
    Hostname: "sandbox",
    User: `${user.uid}:${user.gid}`,
    Entrypoint: ["/bin/bash", "--norc", "--noprofile", initInside],
    Cmd: [...rlimits, ...openFiles, limits.sandbox_oom_score].map(String),
    // A name alone takes away what the image sets.
    Env: [...Object.entries(options.env).map(([name, value]) => `${name}=${value}`), ...options.left_out],
    WorkingDir: "/",
    Labels: options.labels,
    // It ends with whoever holds its input.
    ...{ OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true },
    ...{ Tty: false, NetworkDisabled: false, Volumes: {}, Healthcheck: { Test: ["NONE"] } },
    HostConfig: {
      ...(options.runtime !== null && { Runtime: options.runtime }),
      ...{
        AutoRemove: true,
        Init: false,
        Privileged: false,
        ReadonlyRootfs: true,
        OomScoreAdj: limits.sandbox_oom_score,
      },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true", `seccomp=${JSON.stringify(options.seccomp)}`],
      ...{ NetworkMode: "none", IpcMode: "private", PidMode: "", UTSMode: "", CgroupnsMode: "private" },
      // As elsewhere, where a user is not given the ports below 1024 and pings.
      Sysctls: { "net.ipv4.ip_unprivileged_port_start": "1024", "net.ipv4.ping_group_range": "1 0" },
      MaskedPaths: ["/sys", ...masked.map((name) => `/proc/${name}`)],
      ReadonlyPaths: ["/proc/sys"],
      ...(cpu !== null && { NanoCpus: Math.round(cpu * 1e9) }),
      ...{ Memory: held.memory_bytes, MemorySwap: held.memory_bytes, PidsLimit: held.processes },
      // The first process sets the others, as far as the engine may.
      Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
      ShmSize: tmp_bytes,
      Tmpfs: { "/tmp": ofMemory(tmp_bytes) },
      LogConfig: { Type: "none" },
      Mounts: [
        ...Object.entries(options.etc).map(([name, path]) => bound(path, `/etc/${name}`, true)),
        ...[
          bound(options.program, initInside, true),
          bound(folder.pipes, pipesInside, options.pipes_read_only),
        ],
        ...[bound(folder.home, inside.home, false), bound(folder.workspace, "/workspace", false)],
        bound(folder.outputs, outputsInside, false),
        bound(folder.tool_results, toolResultsInside, true),
        ...[...mountsOf(folder), ...options.trusted].map(({ source, inside }) => bound(source, inside, true)),
        ...covers(options.covered),
      ],
    },
  };
}

const ofHost = [outputsInside, toolResultsInside, pipesInside, ...Object.values(mountRoots)];
const own = ["/tmp", "/workspace", inside.home, ...ofHost];

const covers = ({ folder, paths }: ContainerOptions["covered"]) =>
  paths
    .filter((path) => !own.includes(posix.join("/", path, ".").replace(/\/$/, "")))
    .map((path) => bound(folder, path, true));

const bound = (Source: string, Target: string, ReadOnly: boolean) => ({
  ...{ Type: "bind", Source, Target, ReadOnly },
  BindOptions: { Propagation: "rprivate" },
});
