import { createHash } from "node:crypto";
import { chmodSync, chownSync, copyFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import type { DockerSettings } from "../../../config/driver.ts";
import { type Driver, type Enforcement, Unavailable } from "../../driver.ts";
import { variablesIn } from "../../images/variables.ts";
import type { SandboxSpec } from "../../wire.ts";
import { diskEnforcement } from "../enforcement.ts";
import { type Begin, defaultUids, folderDriver, type UserIds } from "../folder-driver.ts";
import { heldAroundGvisor } from "../gvisor/held.ts";
import { initProgram } from "../init.ts";
import { type PipeSets, pipeSets } from "../pipes.ts";
import { ownEtcPaths, writeEtc, writeUsers } from "../root-filesystem.ts";
import type { SandboxFolder } from "../sandbox-folders.ts";
import { architecture } from "../seccomp.ts";
import { type SystemTrust, writeTrust } from "../trust.ts";
import { beginsOtherwise, variablesOf } from "../variables.ts";
import { containerOf } from "./container.ts";
import { createContainer, removeContainer, startContainer } from "./container-sandbox.ts";
import { connectEngine, EngineError } from "./engine.ts";
import { trustOfImage } from "./image-trust.ts";
import { seccompProfile } from "./seccomp-profile.ts";

export interface DockerOptions extends DockerSettings {
  /** Holds the workspaces. */
  data_dir: string;
  uids?: UserIds;
  /** How long the engine may take for an answer, in `ms`. */
  answer_ms_max?: number;
}

const engineShape = z.object({
  ServerVersion: z.string(),
  SecurityOptions: z.array(z.string()).nullish(),
  Runtimes: z.record(z.string(), z.object({ path: z.string().nullish() })).nullish(),
  DefaultRuntime: z.string().nullish(),
  CpuCfsQuota: z.boolean(),
  MemoryLimit: z.boolean(),
  PidsLimit: z.boolean(),
});
type EngineHere = z.infer<typeof engineShape>;

const imageShape = z.object({
  Id: z.string(),
  Config: z
    .object({
      Env: z.array(z.string()).nullish(),
      Volumes: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish(),
});

interface EngineImage {
  id: string;
  env: Record<string, string>;
  /** Folders of which the engine would make one for each container, without a limit. */
  volumes: string[];
}

const listShape = z.array(z.object({ Id: z.string() }));

/** Of containers, so that no other is ever touched. */
const label = "dev.drover.hands";
/** The sandbox's first process and those that start others, when a fork bomb has taken the rest. */
const processesToSpare = 32;

/** Sandboxes as containers of Docker, or of another engine with its API, which has to be on this machine. */
export function docker(options: DockerOptions): Driver {
  const { data_dir } = options;
  const uids = process.getuid?.() === 0 ? (options.uids ?? defaultUids) : null;
  const engine = connectEngine(options.socket, options);
  const owner = createHash("sha256").update(data_dir).digest("hex").slice(0, 16);
  const seccomp = seccompProfile(architecture());
  const etc = join(data_dir, "etc");
  writeEtc(etc);
  const nothing = join(data_dir, "nothing");
  mkdirSync(nothing, { recursive: true, mode: 0o755 });
  const program = join(data_dir, "init.bash");
  copyFileSync(initProgram, program);
  chmodSync(program, 0o644);
  let found: EngineHere | null = null;
  let leftovers: Promise<void> | null = null;
  const trusts = new Map<string, Promise<SystemTrust>>();

  /** Of sandboxes that have ended with the process that began them. */
  async function removeLeftovers(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${label}=${owner}`] }));
    const left = listShape.parse(await engine.ask("GET", `/containers/json?all=true&filters=${filters}`));
    for (const { Id } of left) await removeContainer(engine, Id);
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
    leftovers ??= removeLeftovers();
    await leftovers.catch((error: unknown) => {
      leftovers = null;
      throw error;
    });
    found = here;
    return here;
  }

  async function imageOf({ image }: SandboxSpec): Promise<EngineImage> {
    const name = image ?? options.image;
    if (name === null)
      throw new Unavailable(
        "sandboxes by Docker need an image: name one in DROVER_DOCKER_IMAGE or in the environment",
      );
    try {
      const about = imageShape.parse(await engine.ask("GET", `/images/${encodeURIComponent(name)}/json`));
      const { Env, Volumes } = about.Config ?? {};
      return { id: about.Id, env: variablesIn(Env ?? []), volumes: Object.keys(Volumes ?? {}) };
    } catch (error) {
      if (!(error instanceof EngineError && error.status === 404)) throw error;
      throw new Unavailable(
        `the image ${name} is not on this host, which fetches none by itself: docker pull ${name}`,
      );
    }
  }

  /** Looked up once: an image never changes. */
  function trustOf(image: EngineImage): Promise<SystemTrust> {
    const known = trusts.get(image.id);
    if (known) return known;
    const looking = trustOfImage(engine, image, `drover-${owner}-trust-${trusts.size}`, { [label]: owner });
    trusts.set(image.id, looking);
    looking.catch(() => trusts.delete(image.id));
    return looking;
  }

  async function plan(spec: SandboxSpec): Promise<Begin> {
    refusePackages(spec);
    const isGvisor = makesByGvisor(await engineHere(), options.runtime);
    const image = await imageOf(spec);
    if (spec.network.type !== "none" && uids === null)
      throw new Unavailable(
        "only root can listen in the network of a container: run `drover hands` as root, or environments without a network",
      );
    const { credentials } = spec;
    const system = credentials && (await trustOf(image));
    return async (id, folder, network) => {
      const user = usersOf(folder);
      const trusted = system && credentials ? writeTrust(folder.trust, credentials.certificate, system) : [];
      const pipes = openPipes(folder, user, isGvisor);
      const container = containerOf({
        ...{ image: image.id, runtime: options.runtime, spec, folder, trusted, user, program, seccomp },
        env: variablesOf(spec, image.env, network),
        pipes_read_only: !isGvisor,
        left_out: Object.keys(image.env).filter(beginsOtherwise),
        covered: { folder: nothing, paths: image.volumes },
        labels: { [label]: owner },
        etc: {
          ...ownEtcPaths(etc, network ? "open" : "none"),
          passwd: join(folder.etc, "passwd"),
          group: join(folder.etc, "group"),
        },
        held: isGvisor ? heldAroundGvisor(spec) : held(spec),
      });
      const made = await createContainer(engine, `drover-${owner}-${id}`, container);
      return startContainer(engine, { id, container: made, folder, network, pipes, isGvisor });
    };
  }

  return folderDriver({
    data_dir,
    uids,
    name: "docker",
    async describe() {
      const { ServerVersion, DefaultRuntime } = await engineHere();
      return `containers of Docker ${ServerVersion} (${options.runtime ?? DefaultRuntime ?? "its runtime"}), for environments without packages`;
    },
    async enforces(disk) {
      const here = await engineHere();
      return enforcement(here, disk, makesByGvisor(here, options.runtime));
    },
    prepare: async (spec) => refusePackages(spec),
    plan,
  });
}

/** By whatever name its runtime goes. */
function makesByGvisor({ Runtimes, DefaultRuntime }: EngineHere, runtime: string | null): boolean {
  const name = runtime ?? DefaultRuntime ?? "";
  return name.includes("runsc") || basename(Runtimes?.[name]?.path ?? "") === "runsc";
}

function enforcement(here: EngineHere, disk: string | null, ends: boolean): Enforcement {
  const by = (has: boolean) =>
    has
      ? ({ scope: "sandbox", by: "Docker" } as const)
      : ({ scope: "none", needs: "cgroups that the container engine can write" } as const);
  const memory = by(here.MemoryLimit);
  return {
    cpu: by(here.CpuCfsQuota),
    memory_bytes: memory.scope === "sandbox" && ends ? { ...memory, ends } : memory,
    processes: by(here.PidsLimit),
    disk_bytes: diskEnforcement(disk),
  };
}

function refusePackages({ packages }: SandboxSpec): void {
  if (Object.values(packages).some((names) => names.length > 0))
    throw new Unavailable(
      "sandboxes by Docker install no packages: build an image that has them, and name it in the environment",
    );
}

/** Under an engine without root, its root is this process's own user. */
function usersOf({ etc, user: { uid = 0, gid = 0 } }: SandboxFolder): { uid: number; gid: number } {
  mkdirSync(etc, { recursive: true, mode: 0o755 });
  writeUsers(etc, { uid, gid });
  return { uid, gid };
}

const held = ({ limits: { memory_bytes, processes } }: SandboxSpec) => ({
  memory_bytes,
  processes: processes + processesToSpare,
});

/**
 * By gVisor nobody can write into a pipe in a folder that is read-only: there it is one in which the sandbox can make
 * nothing, for it is root's.
 */
function openPipes(
  { pipes, user }: SandboxFolder,
  owner: { uid: number; gid: number },
  isGvisor: boolean,
): PipeSets {
  if (!isGvisor) return pipeSets(pipes, user);
  if (user.uid === undefined)
    throw new Unavailable("sandboxes by gVisor need `drover hands` to be root, for the users of sandboxes");
  chownSync(pipes, 0, 0);
  chmodSync(pipes, 0o711);
  return pipeSets(pipes, {}, owner);
}
