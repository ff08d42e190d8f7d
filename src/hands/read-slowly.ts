import type { Readable } from "node:stream";
import { limits } from "../limits.ts";

/** Hands on what a program says, no faster than the host can spare: a program that says more waits. */
export function readSlowly(stream: Readable, hear: (chunk: Buffer) => void): void {
  let left = limits.setup_output_bytes_at_once;
  stream.on("data", (chunk: Buffer) => {
    hear(chunk);
    left -= chunk.length;
    if (left > 0) return;
    stream.pause();
    setTimeout(() => {
      left = limits.setup_output_bytes_at_once;
      stream.resume();
    }, limits.setup_output_pause_ms);
  });
}
