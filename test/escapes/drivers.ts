import type { Driver } from "../../src/hands/driver.ts";
import { bubblewrap } from "../../src/hands/drivers/bubblewrap.ts";

/** What the kernel grants a user is not to be used up by tests that run beside these. */
export const ownUids = (n: number) => ({
  first: 1_960_000_000 + (process.pid % 30_000) * 1_000 + n * 50,
  count: 50,
});

/** Those whose sandboxes the battery tries to leave. */
export const drivers: readonly { name: string; make(data_dir: string): Driver }[] = [
  { name: "bubblewrap", make: (data_dir) => bubblewrap({ data_dir, uids: ownUids(0) }) },
];
