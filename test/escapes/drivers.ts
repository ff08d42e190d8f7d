import { bubblewrap } from "../../src/hands/drivers/bubblewrap.ts";
import { type StartedDriver, testDrivers } from "../../src/hands/drivers/testing-drivers.ts";
import { type Difference, ofDocker, ofGvisor } from "./differences.ts";

/** What the kernel grants a user is not to be used up by tests that run beside these. */
export const ownUids = (n: number) => ({
  first: 1_960_000_000 + (process.pid % 30_000) * 1_000 + n * 50,
  count: 50,
});

/** One whose sandboxes the battery tries to leave. */
export interface TriedDriver {
  name: string;
  /** Why it is left out on this machine; null where it is not. */
  missing(): string | null;
  start(): Promise<StartedDriver>;
  differences: readonly Difference[];
}

const differences: Record<string, readonly Difference[]> = { gvisor: ofGvisor, docker: ofDocker };

export const ofBubblewrap: TriedDriver = {
  name: "bubblewrap",
  missing: () => null,
  start: async () => ({
    settings: {},
    make: (data_dir) => bubblewrap({ data_dir, uids: ownUids(0) }),
    close: async () => {},
  }),
  differences: [],
};

/** They take long, and are tried among the long tests. */
export const others: readonly TriedDriver[] = testDrivers
  .filter(({ name }) => name in differences)
  .map(({ start, ...driver }) => ({
    ...driver,
    async start() {
      const started = await start();
      return { ...started, make: (data_dir: string) => started.make(data_dir, ownUids(0)) };
    },
    differences: differences[driver.name] ?? [],
  }));
