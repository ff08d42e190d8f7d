import type { OutputFile } from "./driver.ts";
import { keepHeadAndTail } from "./head-and-tail.ts";
import type { KeptOutput } from "./wire.ts";

/** An output as it comes: its two ends in memory, and all of it in a file when it is longer than those. */
export interface Collected {
  write(chunk: Buffer): void;
  /** No more comes. */
  end(): Promise<{ bytes: Buffer; omitted_bytes: number; kept: KeptOutput | null }>;
}

export function collectOutput(bytesMax: number, begin: (() => OutputFile) | null): Collected {
  const ends = keepHeadAndTail(bytesMax);
  let total = 0;
  let file: OutputFile | null = null;
  return {
    write(chunk) {
      total += chunk.length;
      if (total > bytesMax && begin && !file) {
        file = begin();
        file.write(ends.kept().bytes);
      }
      file?.write(chunk);
      ends.write(chunk);
    },
    async end() {
      return { ...ends.kept(), kept: (await file?.end()) ?? null };
    },
  };
}
