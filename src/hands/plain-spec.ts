import type { SandboxSpec } from "./wire.ts";

/** A sandbox of which nothing in particular is asked, and that has no network. */
export const plainSpec: SandboxSpec = {
  image: null,
  packages: { apt: [], cargo: [], gem: [], go: [], npm: [], pip: [] },
  setup: [],
  network: { type: "none" },
  limits: {
    cpu: null,
    processes: 256,
    memory_bytes: 4 * 2 ** 30,
    disk_bytes: null,
    tmp_bytes: 2 ** 30,
    file_bytes: 4 * 2 ** 30,
    network_bytes: null,
    network_connections: 128,
  },
  credentials: null,
  demanded: [],
};
