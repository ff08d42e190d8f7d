import { bubblewrap } from "./drivers/bubblewrap.ts";
import { startHands } from "./host.ts";

/** A sandbox host as a process of its own, for tests that kill it. */
const [data_dir = "", socket_path = ""] = process.argv.slice(2);
const host = await startHands({ data_dir, socket_path, driver: bubblewrap({ data_dir }) });
process.once("SIGTERM", () => void host.close());
process.stdout.write("ready\n");
