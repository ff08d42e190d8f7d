import { ApiError } from "../protocol/errors.ts";
import type { FormFile } from "./form.ts";

/** A file that has come whole, in memory. */
export interface Held {
  name: string;
  content: Buffer;
  discard(): Promise<void>;
}

/** For files that are read in memory: `bytes_max` is for all that are there at a time. */
export interface UploadRoom {
  take(file: FormFile): Promise<Held>;
  /** Makes something of them, and lets go of them. What it refuses, whoever has taken it discards. */
  using<Made>(taken: readonly Held[], make: () => Promise<Made>): Promise<Made>;
}

export function createUploadRoom(bytes_max: number): UploadRoom {
  let held = 0;
  return {
    async take({ filename, content }) {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const discard = async () => {
        held -= bytes;
      };
      try {
        for await (const chunk of content as AsyncIterable<Buffer>) {
          held += chunk.length;
          bytes += chunk.length;
          if (held > bytes_max) throw busy();
          chunks.push(chunk);
        }
      } catch (error) {
        await discard();
        throw error;
      }
      return { name: filename ?? "", content: Buffer.concat(chunks), discard };
    },
    async using(taken, make) {
      const made = await make();
      for (const one of taken) await one.discard();
      return made;
    },
  };
}

const busy = () =>
  new ApiError("rate_limit_error", "too much is being uploaded to this server; try again", {
    headers: { "retry-after": "1" },
  });
