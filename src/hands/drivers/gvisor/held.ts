import { limits } from "../../../limits.ts";
import type { SandboxSpec } from "../../wire.ts";

/** What all processes of gVisor together may have on the host: what the sandbox may have, and their own. */
export const heldAroundGvisor = ({ limits: { memory_bytes, processes } }: SandboxSpec) => ({
  memory_bytes: memory_bytes + limits.gvisor_memory_bytes,
  processes: limits.gvisor_threads + limits.gvisor_threads_each * processes,
});
