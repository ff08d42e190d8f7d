import { bubblewrap } from "./drivers/bubblewrap.ts";
import { startHands } from "./host.ts";

/** A sandbox host as a process of its own, for tests that kill it. With a storage it is never done with keeping. */
const [data_dir = "", socket_path = "", storage] = process.argv.slice(2);
const checkpoints = storage === undefined ? null : { storage, after_ms: 1, every_ms: 50, retry_ms: 50 };
const host = await startHands({ data_dir, socket_path, driver: bubblewrap({ data_dir }), checkpoints });
process.once("SIGTERM", () => void host.close());
process.stdout.write("ready\n");
