import { subscribe } from "node:diagnostics_channel";
import { writeSync } from "node:fs";
import { failpointChannel } from "../../src/failpoints.ts";

/** Where the process that has loaded this is to die: at the n-th place that it reaches from now on, of this name or of any. */
export interface Order {
  point?: string;
  /** From 0. */
  nth: number;
}

/** How the last line of its log begins, before the name of the place. */
const lastWords = "crashes at ";

let order: Order | null = null;

process.on("message", (said: Order) => {
  order = said;
  process.send?.("understood");
});
// Waiting for orders is no reason to live.
process.channel?.unref();

subscribe(failpointChannel, (name) => {
  if (order === null || (order.point ?? name) !== name) return;
  if (order.nth > 0) {
    order.nth -= 1;
    return;
  }
  writeSync(2, `${lastWords}${name}\n`);
  process.kill(process.pid, "SIGKILL");
});
