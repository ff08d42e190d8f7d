import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { DockerSettings } from "../../../config/driver.ts";
import { limits } from "../../../limits.ts";
import { type Driver, type Enforcement, type Namespace, type Sandbox, Unavailable } from "../../driver.ts";
import { proxy, proxyEnvironment } from "../../network/inside.ts";
import type { SandboxSpec } from "../../wire.ts";
import { type Begin, defaultUids, folderDriver, type UserIds } from "../folder-driver.ts";
import { createInit, type Init, initProgram } from "../init.ts";
import { environment, pipesInside, toolResultsInside } from "../isolation.ts";
import { outputFiles } from "../output-files.ts";
import { pipeSets } from "../pipes.ts";
import { ownEtcPaths, writeEtc, writeUsers } from "../root-filesystem.ts";
import type { SandboxFolder } from "../sandbox-folders.ts";
import { architecture } from "../seccomp.ts";
import { containerOf } from "./container.ts";
import { connectEngine, type Engine, EngineError } from "./engine.ts";
import { splitFrames } from "./frames.ts";
import { seccompProfile } from "./seccomp-profile.ts";

export interface DockerOptions extends DockerSettings {
  /** Holds the workspaces. */
  data_dir: string;
  uids?: UserIds;
}

const engineShape = z.object({
  ServerVersion: z.string(),
  SecurityOptions: z.array(z.string()).nullish(),
  Runtimes: z.record(z.string(), z.unknown()).nullish(),
  DefaultRuntime: z.string().nullish(),
  CpuCfsQuota: z.boolean(),
  MemoryLimit: z.boolean(),
  PidsLimit: z.boolean(),
});
type EngineHere = z.infer<typeof engineShape>;

const imageShape = z.object({
  Id: z.string(),
  Config: z.object({ Env: z.array(z.string()).nullish() }).nullish(),
});
const createdShape = z.object({ Id: z.string() });
const runningShape = z.object({ State: z.object({ Pid: z.int().positive() }) });
const listShape = z.array(createdShape);

/** Of containers, so that no other is ever touched. */
const label = "dev.drover.hands";
const stderrBytesKept = 4_096;
/** The sandbox's first process and those that start others, when a fork bomb has taken the rest. */
const processesToSpare = 32;

/** Sandboxes as containers of Docker, or of another engine with its API, which has to be on this machine. */
export function docker(options: DockerOptions): Driver {
  const { data_dir } = options;
  const uids = process.getuid?.() === 0 ? (options.uids ?? defaultUids) : null;
  const engine = connectEngine(options.socket);
  const owner = createHash("sha256").update(data_dir).digest("hex").slice(0, 16);
  const seccomp = seccompProfile(architecture());
  const etc = join(data_dir, "etc");
  writeEtc(etc);
  const program = join(data_dir, "init.bash");
  copyFileSync(initProgram, program);
  chmodSync(program, 0o644);
  let found: EngineHere | null = null;

  /** Of sandboxes that have ended with the process that began them. */
  async function removeLeftovers(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${label}=${owner}`] }));
    const left = listShape.parse(await engine.ask("GET", `/containers/json?all=true&filters=${filters}`));
    for (const { Id } of left) await remove(engine, Id);
  }

  async function engineHere(): Promise<EngineHere> {
    if (found) return found;
    const here = engineShape.parse(await engine.ask("GET", "/info"));
    const isRootless = here.SecurityOptions?.some((each) => each.includes("rootless")) ?? false;
    if (uids === null && !isRootless)
      throw new Unavailable(
        "Docker needs `drover hands` to be root, for the users of sandboxes, or an engine without root",
      );
    if (uids !== null && isRootless)
      throw new Unavailable(
        "an engine without root cannot give sandboxes users of their own: run `drover hands` as its user",
      );
    const { runtime } = options;
    const runtimes = Object.keys(here.Runtimes ?? {});
    if (runtime !== null && !runtimes.includes(runtime))
      throw new Unavailable(
        `the container engine has no runtime ${runtime} (it has ${runtimes.join(", ")}): add it to its daemon.json`,
      );
    await removeLeftovers();
    found = here;
    return here;
  }

  async function imageOf({ image }: SandboxSpec): Promise<{ id: string; env: Record<string, string> }> {
    const name = image ?? options.image;
    if (name === null)
      throw new Unavailable(
        "sandboxes by Docker need an image: name one in DROVER_DOCKER_IMAGE or in the environment",
      );
    try {
      const about = imageShape.parse(await engine.ask("GET", `/images/${encodeURIComponent(name)}/json`));
      return { id: about.Id, env: readVariables(about.Config?.Env ?? []) };
    } catch (error) {
      if (!(error instanceof EngineError && error.status === 404)) throw error;
      throw new Unavailable(
        `the image ${name} is not on this host, which fetches none by itself: docker pull ${name}`,
      );
    }
  }

  async function plan(spec: SandboxSpec): Promise<Begin> {
    refusePackages(spec);
    await engineHere();
    const image = await imageOf(spec);
    if (spec.network.type !== "none" && uids === null)
      throw new Unavailable(
        "only root can listen in the network of a container: run `drover hands` as root, or environments without a network",
      );
    return async (id, folder, network) => {
      const user = usersOf(folder);
      const container = containerOf({
        ...{ image: image.id, runtime: options.runtime, spec, folder, user, program, seccomp },
        env: { ...environment(image.env), ...(network && proxyEnvironment) },
        labels: { [label]: owner },
        etc: {
          ...ownEtcPaths(etc, network ? "open" : "none"),
          passwd: join(folder.etc, "passwd"),
          group: join(folder.etc, "group"),
        },
        spare: processesToSpare,
      });
      const { Id } = createdShape.parse(
        await engine.ask("POST", "/containers/create", container).catch((error: unknown) => {
          throw error instanceof EngineError ? new Unavailable(noSandbox(error.message)) : error;
        }),
      );
      return start(engine, { id, container: Id, folder, network });
    };
  }

  return folderDriver({
    data_dir,
    uids,
    name: "docker",
    async describe() {
      const { ServerVersion, DefaultRuntime } = await engineHere();
      return `containers of Docker ${ServerVersion} (${options.runtime ?? DefaultRuntime ?? "its runtime"})`;
    },
    enforces: async (disk) => enforcement(await engineHere(), disk, options.runtime),
    prepare: async (spec) => refusePackages(spec),
    plan,
  });
}

function enforcement(here: EngineHere, disk: string | null, runtime: string | null): Enforcement {
  const by = (has: boolean) =>
    has
      ? ({ scope: "sandbox", by: "Docker" } as const)
      : ({ scope: "none", needs: "cgroups that the container engine can write" } as const);
  const memory = by(here.MemoryLimit);
  return {
    cpu: by(here.CpuCfsQuota),
    memory_bytes:
      memory.scope === "sandbox" && runtime?.includes("runsc") ? { ...memory, ends: true } : memory,
    processes: by(here.PidsLimit),
    disk_bytes:
      disk === null
        ? { scope: "sandbox", by: "a file system of its own, where its environment names a limit" }
        : { scope: "none", needs: disk },
  };
}

function refusePackages({ packages }: SandboxSpec): void {
  if (Object.values(packages).some((names) => names.length > 0))
    throw new Unavailable(
      "sandboxes by Docker install no packages: build an image that has them, and name it in the environment",
    );
}

const noSandbox = (said: string) => `no sandbox could be started (${said})`;

/** Under an engine without root, its root is this process's own user. */
function usersOf({ etc, user: { uid = 0, gid = 0 } }: SandboxFolder): { uid: number; gid: number } {
  mkdirSync(etc, { recursive: true, mode: 0o755 });
  writeUsers(etc, { uid, gid });
  return { uid, gid };
}

function readVariables(entries: string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf("=");
      return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** Whether it runs or not, unless it is gone already. */
async function remove(engine: Engine, container: string): Promise<void> {
  try {
    await engine.ask("DELETE", `/containers/${container}?force=true&v=true`);
  } catch (error) {
    // Being removed already is a conflict.
    if (!(error instanceof EngineError && (error.status === 404 || error.status === 409))) throw error;
  }
}

async function start(
  engine: Engine,
  made: { id: string; container: string; folder: SandboxFolder; network: Namespace | undefined },
): Promise<Sandbox> {
  const { id, container, folder, network } = made;
  const stream = await engine.attach(container);
  stream.on("error", () => {});
  const { stdout, stderr: errors } = splitFrames(stream);
  let stderr = "";
  errors.on("data", (chunk) => {
    stderr = (stderr + chunk).slice(-stderrBytesKept);
  });
  const init = createInit(stream, stdout, pipeSets(folder.pipes, folder.user), pipesInside);
  const gone = engine.ask("POST", `/containers/${container}/wait?condition=removed`).catch(() => {});
  const ended = gone.then(() => {
    init.end();
    stream.destroy();
  });

  async function destroy(): Promise<void> {
    await remove(engine, container);
    await ended;
  }

  try {
    await engine.ask("POST", `/containers/${container}/start`);
  } catch (error) {
    await destroy();
    throw error instanceof EngineError ? new Unavailable(noSandbox(error.message)) : error;
  }
  const timer = setTimeout(() => void remove(engine, container).catch(() => {}), limits.sandbox_start_ms_max);
  const up = await Promise.race([init.ready.then(() => true), ended.then(() => false)]);
  clearTimeout(timer);
  if (!up) throw new Unavailable(noSandbox(stderr.trim() || "its first process ended"));
  try {
    if (network) await attachNetwork(engine, container, network, init);
  } catch (error) {
    await destroy();
    throw error;
  }
  const keepOutput = outputFiles({
    folder: folder.tool_results,
    inside: toolResultsInside,
    gid: folder.user.gid,
  });
  return { id, ended, spawn: init.spawn, keepOutput, destroy };
}

/** The container comes with a namespace of its own, and so may its runtime. */
async function attachNetwork(
  engine: Engine,
  container: string,
  network: Namespace,
  init: Init,
): Promise<void> {
  const { State } = runningShape.parse(await engine.ask("GET", `/containers/${container}/json`));
  await network.listenIn(State.Pid);
  const knock = await init.spawn(["bash", "-c", `: </dev/tcp/${proxy.host}/${proxy.port}`], {
    control: false,
  });
  if ((await knock.exited) === 0) return;
  throw new Unavailable(
    "the runtime of the container engine has a network of its own, in which nobody can listen: choose another runtime (DROVER_DOCKER_RUNTIME), DROVER_DRIVER=gvisor, or environments without a network",
  );
}
