import { join } from "node:path";
import { type PrepareOptions, Unavailable } from "../driver.ts";
import { type Image, openImages, unknownImage } from "../images/images.ts";
import { createLayers, type LayersOptions } from "../layers/layers.ts";
import type { SandboxSpec } from "../wire.ts";
import { copiesOfEtc } from "./host-etc.ts";
import { ownProc } from "./proc.ts";
import { hostRoot, imageRoot, type Root, writeEtc } from "./root-filesystem.ts";

/** The root filesystems of this host's sandboxes: the host's programs or an image, and the packages of an environment. */
export interface Roots {
  /** Where the files lie that every sandbox has in /etc in place of the host's. */
  etc: string;
  /** Arguments of bwrap for a /proc of its own. */
  proc: string[];
  /** Throws `Unavailable` when there is no such image, or its packages are not there yet. */
  of(spec: SandboxSpec): Root;
  /** Installs its packages, unless they are. */
  prepare(spec: SandboxSpec, options: PrepareOptions): Promise<void>;
  close(): Promise<void>;
}

export interface RootsOptions {
  data_dir: string;
  /** By which packages are installed. */
  fakeRoot: Omit<LayersOptions["fakeRoot"], "etc" | "proc">;
  layers?: Pick<LayersOptions, "bytes_max" | "unused_ms">;
}

export function createRoots({ data_dir, fakeRoot, layers: bounds }: RootsOptions): Roots {
  const images = openImages(data_dir);
  const etc = join(data_dir, "etc");
  writeEtc(etc);
  const hostEtc = copiesOfEtc(join(data_dir, "host-etc"), etc);
  // Ahead: a host that copies answers nobody, and is taken for one that is gone.
  try {
    hostEtc("none");
  } catch {
    // The sandbox that needs it says why.
  }
  const proc = ownProc(etc);
  const layers = createLayers({ data_dir, fakeRoot: { ...fakeRoot, etc, proc }, ...bounds });

  function imageOf({ image: name }: SandboxSpec): Image | null {
    if (name === null) return null;
    const image = images.find(name);
    if (image) return image;
    throw new Unavailable(unknownImage(name, images.list()));
  }

  return {
    etc,
    proc,
    of(spec) {
      const image = imageOf(spec);
      return layers.rootOf(spec, image) ?? (image ? imageRoot(image) : hostRoot(hostEtc));
    },
    prepare: (spec, options) => layers.make(spec, imageOf(spec), options),
    close: layers.close,
  };
}
