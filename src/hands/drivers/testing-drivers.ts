import type { Driver } from "../driver.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { findProgram } from "./bwrap.ts";
import { docker } from "./docker/docker.ts";
import { engineMissing, startEngine } from "./docker/testing-engine.ts";
import type { UserIds } from "./folder-driver.ts";
import { gvisor } from "./gvisor/gvisor.ts";

/** A driver for tests that every driver has to pass. */
export interface TestDriver {
  name: string;
  /** Why it is left out on this machine; null where it is not. */
  missing(): string | null;
  /** With what its sandboxes need beside the machine. */
  start(): Promise<StartedDriver>;
}

export interface StartedDriver {
  make(data_dir: string, uids?: UserIds): Driver;
  /** By which the program chooses it. */
  settings: Record<string, string>;
  /** When its sandboxes have ended. */
  close(): Promise<void>;
}

const nothing = async () => {};

function gvisorMissing(): string | null {
  if (process.getuid?.() !== 0) return "needs root";
  return findProgram("runsc") ? null : "needs the package runsc";
}

export const testDrivers: readonly TestDriver[] = [
  {
    name: "bubblewrap",
    missing: () => (findProgram("bwrap") ? null : "needs the package bubblewrap"),
    start: async () => ({
      settings: {},
      make: (data_dir, uids) => bubblewrap({ data_dir, ...(uids && { uids }) }),
      close: nothing,
    }),
  },
  {
    name: "gvisor",
    missing: gvisorMissing,
    start: async () => ({
      settings: { DROVER_DRIVER: "gvisor" },
      make: (data_dir, uids) => gvisor({ data_dir, ...(uids && { uids }) }),
      close: nothing,
    }),
  },
  { name: "docker", missing: engineMissing, start: ofEngine },
];

async function ofEngine(): Promise<StartedDriver> {
  const { socket, image, close } = await startEngine();
  return {
    make: (data_dir, uids) => docker({ data_dir, socket, image, runtime: null, ...(uids && { uids }) }),
    settings: {
      DROVER_DRIVER: "docker",
      DROVER_DOCKER_HOST: `unix://${socket}`,
      DROVER_DOCKER_IMAGE: image,
    },
    close,
  };
}
