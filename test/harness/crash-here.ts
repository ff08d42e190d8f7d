import { subscribe } from "node:diagnostics_channel";
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { failpointChannel } from "../../src/failpoints.ts";

/**
 * Where the process that has loaded this is to die: at the n-th place that it reaches from now on, of this name or of any.
 * What it is writing to the log when it is told belongs to what was before.
 */
export interface Order {
  point?: string;
  /** From 0. */
  nth: number;
}

/** How the last line of its log begins, before the name of the place. */
const lastWords = "crashes at ";

let order: Order | null = null;
let next: Order | null = null;
/** Appends whose end has not been reached. */
let appending = 0;

function take(): void {
  if (next === null || appending > 0) return;
  order = next;
  next = null;
  process.send?.("understood");
}

process.on("message", (said: Order) => {
  // A process that is killed leaves nothing of what it has compiled to the one after it.
  flushCompileCache();
  next = said;
  take();
});
// Waiting for orders is no reason to live.
process.channel?.unref();

subscribe(failpointChannel, (name) => {
  if (order !== null && (order.point ?? name) === name) {
    if (order.nth === 0) {
      writeSync(2, `${lastWords}${name}\n`);
      process.kill(process.pid, "SIGKILL");
    }
    order.nth -= 1;
  }
  if (name === "append_asked") appending += 1;
  if (name === "append_done") appending -= 1;
  take();
});
