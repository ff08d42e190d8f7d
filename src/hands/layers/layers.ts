import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { limits } from "../../limits.ts";
import { type Attachment, type PrepareOptions, type SetupLine, Unavailable } from "../driver.ts";
import type { Root } from "../drivers/root-filesystem.ts";
import type { Image } from "../images/images.ts";
import { isMounted } from "../images/in-use.ts";
import { imageOwner } from "../images/owner.ts";
import { removeTree } from "../remove-tree.ts";
import type { SandboxSpec } from "../wire.ts";
import { buildLayer } from "./build-layer.ts";
import type { FakeRoot } from "./fake-root.ts";
import { layerKey } from "./key.ts";
import { foldersOf, layerRoot, layerShape } from "./layer.ts";

/**
 * The layers of packages of this host, each made once however many sandboxes wait for it, and for as long as one does:
 * `<key>/upper`, and `<key>/layer.json` about it, whose time of change is when it was used last. One is there as a whole or
 * not at all.
 */
export interface Layers {
  /** Null where the spec names no packages. Throws `Unavailable` when they were not installed. */
  rootOf(spec: SandboxSpec, image: Image | null): Root | null;
  /** Throws `SetupFailed` to all who wait for it; who asks later has it tried again. */
  make(spec: SandboxSpec, image: Image | null, options: PrepareOptions): Promise<void>;
  /** Ends what is being made. */
  close(): Promise<void>;
}

export interface LayersOptions {
  /** Of `hands`. */
  data_dir: string;
  fakeRoot: FakeRoot;
  bytes_max?: number;
  unused_ms?: number;
}

interface Making {
  done: Promise<void>;
  listeners: Set<(line: SetupLine) => void>;
  /** Those who wait. With the last of them it is ended, and the next begins anew. */
  waiting: number;
  unwanted: AbortController;
}

export function createLayers({ data_dir, fakeRoot, ...options }: LayersOptions): Layers {
  const base = join(data_dir, "layers");
  const [staging, trash] = [join(base, ".staging"), join(base, ".trash")];
  const making = new Map<string, Making>();
  const closed = new AbortController();
  let running = 0;
  const waiting: (() => void)[] = [];
  // Begun by a process that did not live to see the end.
  if (existsSync(base)) for (const left of [staging, trash]) emptied(left);

  function find(key: string) {
    const about = join(base, key, "layer.json");
    return existsSync(about) ? layerShape.parse(JSON.parse(readFileSync(about, "utf8"))) : null;
  }

  async function inTurn(work: () => Promise<void>): Promise<void> {
    if (running >= limits.layers_parallel_max) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  }

  async function build(
    key: string,
    spec: SandboxSpec,
    image: Image | null,
    { listeners, unwanted }: Pick<Making, "listeners" | "unwanted">,
    options: PrepareOptions,
  ): Promise<void> {
    if (closed.signal.aborted) throw new Unavailable(shuttingDown);
    if (unwanted.signal.aborted) throw new Unavailable(nobodyWaits);
    for (const folder of [data_dir, base, staging, trash]) makeFolder(folder);
    const path = join(staging, `${key}.${process.hrtime.bigint()}`);
    const user = imageOwner();
    mkdirSync(path, { mode: 0o700 });
    if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
    const stop = new AbortController();
    const leaving = AbortSignal.any([closed.signal, unwanted.signal]);
    const leave = () => stop.abort(new Unavailable(closed.signal.aborted ? shuttingDown : nobodyWaits));
    const late = new Error(`it took more than ${limits.layer_ms_max / 60_000} minutes`);
    const timer = setTimeout(() => stop.abort(late), limits.layer_ms_max);
    leaving.addEventListener("abort", leave);
    let way: Attachment | null = null;
    try {
      way = await options.attach(`layer_${key}`, networkOf(spec));
      const built = await buildLayer(
        path,
        user,
        {
          packages: spec.packages,
          image,
          network: way?.namespace,
          signal: stop.signal,
          onLine(line) {
            for (const hear of listeners) hear(line);
          },
        },
        fakeRoot,
      );
      const about = { key, made_at: new Date().toISOString(), ...built };
      writeFileSync(join(path, "layer.json"), `${JSON.stringify(about, null, 2)}\n`, { flush: true });
      chmodSync(path, 0o711);
      renameSync(path, join(base, key));
    } catch (error) {
      await discard(path);
      throw error;
    } finally {
      clearTimeout(timer);
      leaving.removeEventListener("abort", leave);
      way?.close();
    }
    await makeRoom(key);
  }

  function begin(key: string, spec: SandboxSpec, image: Image | null, options: PrepareOptions): Making {
    const before = making.get(key)?.done.catch(() => {});
    const about = { listeners: new Set<(line: SetupLine) => void>(), unwanted: new AbortController() };
    const work = async () => {
      await before;
      await inTurn(() => build(key, spec, image, about, options));
    };
    const begun: Making = { ...about, waiting: 0, done: work() };
    making.set(key, begun);
    // Nobody may be left who waits for it.
    begun.done
      .catch(() => {})
      .finally(() => {
        if (making.get(key) === begun) making.delete(key);
      });
    return begun;
  }

  async function discard(path: string): Promise<void> {
    const gone = join(trash, basename(path));
    renameSync(path, gone);
    await removeTree(gone);
  }

  /** Of too many bytes those go that were not used for longest. */
  async function makeRoom(newest: string): Promise<void> {
    const all = readdirSync(base).flatMap((key) => {
      const about = key.startsWith(".") ? null : find(key);
      return about ? [{ ...about, used_ms: statSync(join(base, key, "layer.json")).mtimeMs }] : [];
    });
    let excess =
      all.reduce((sum, { bytes }) => sum + bytes, 0) - (options.bytes_max ?? limits.layers_bytes_max);
    const before = Date.now() - (options.unused_ms ?? limits.layers_unused_ms);
    for (const { key, bytes, used_ms } of all.sort((a, b) => a.used_ms - b.used_ms)) {
      if (excess <= 0 || used_ms > before) return;
      if (key !== newest && (await removed(key))) excess -= bytes;
    }
  }

  /** Unless a sandbox uses it. */
  async function removed(key: string): Promise<boolean> {
    const path = join(base, key);
    const gone = join(trash, `${key}.${process.hrtime.bigint()}`);
    // No sandbox begins with it from here on.
    renameSync(path, gone);
    if (isMounted(path, `/${basename(gone)}`)) {
      renameSync(gone, path);
      return false;
    }
    await removeTree(gone);
    return true;
  }

  return {
    rootOf(spec, image) {
      const key = layerKey(spec.packages, image);
      if (key === null) return null;
      const about = find(key);
      if (!about) throw new Unavailable("the packages of the environment are not installed on this host yet");
      const path = join(base, key);
      const now = new Date();
      utimesSync(join(path, "layer.json"), now, now);
      return layerRoot(foldersOf(path), image, about.env);
    },
    async make(spec, image, options) {
      const key = layerKey(spec.packages, image);
      if (key === null || find(key)) return;
      if (closed.signal.aborted) throw new Unavailable(shuttingDown);
      const going = making.get(key);
      const wanted = going && !going.unwanted.signal.aborted ? going : begin(key, spec, image, options);
      wanted.listeners.add(options.onLine);
      wanted.waiting += 1;
      try {
        await Promise.race([wanted.done, aborted(options.signal)]);
      } finally {
        wanted.listeners.delete(options.onLine);
        wanted.waiting -= 1;
        if (wanted.waiting === 0) wanted.unwanted.abort();
      }
    },
    async close() {
      closed.abort();
      await Promise.allSettled([...making.values()].map(({ done }) => done));
    },
  };

  function emptied(folder: string): void {
    if (existsSync(folder))
      for (const entry of readdirSync(folder)) removeTree(join(folder, entry)).catch(() => {});
  }
}

const shuttingDown = "the sandbox host is shutting down";
const nobodyWaits = "nobody waits for the sandbox any more";

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(new Unavailable(nobodyWaits));
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
  });
}

/** An environment that lets nothing else out lets packages be installed, if it has any. */
const networkOf = ({ network }: SandboxSpec): SandboxSpec["network"] =>
  network.type === "unrestricted" ? network : { type: "limited", hosts: [], package_managers: true };

/** Everybody may pass it: sandboxes have users of their own. */
function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o711);
}
