import { totalmem } from "node:os";
import { limits } from "../limits.ts";

/** How many sandboxes a host with so much memory runs at once, where nobody has said it. */
export function sandboxesOn(memory_bytes: number): number {
  const { sandbox_memory_share_bytes, sandboxes_max_least, sandboxes_max_most } = limits;
  const shares = Math.floor(memory_bytes / sandbox_memory_share_bytes);
  return Math.min(Math.max(shares, sandboxes_max_least), sandboxes_max_most);
}

/** Of this machine, or of the container that this process is in. */
export function memoryBytes(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}
