import { basename } from "node:path";
import { confined } from "./confined.ts";
import type { Image, Images } from "./images.ts";
import { imageOwner } from "./owner.ts";
import { variablesIn } from "./variables.ts";

/** How far it is: what is being done, of how many bytes if that is known, and bytes that are done. */
export interface ImageProgress {
  begin(what: string, bytes: number | null): void;
  passed(bytes: number): void;
}

/** Makes an image of an OCI layout's archive or one of `docker save`. */
export async function importImage(
  images: Images,
  { name, archive }: { name: string; archive: string },
  { progress, signal }: { progress: ImageProgress; signal: AbortSignal },
): Promise<{ image: Image; left_out: number }> {
  const staging = images.stage(name);
  try {
    progress.begin("looking into the archive", null);
    const { env, digest, left_out, ...counted } = await confined({
      job: "unpack",
      archive,
      rootfs: staging.rootfs,
      user: imageOwner(),
      signal,
      onSaid(said) {
        if (said.type === "layer") progress.begin(`unpacking layer ${said.n} of ${said.of}`, said.bytes);
        else if (said.type === "bytes") progress.passed(said.count);
        else if (said.type === "finishing") progress.begin("looking through the files", null);
      },
    });
    signal.throwIfAborted();
    const origin = `${basename(archive)}, ${digest}`;
    return { image: staging.commit({ origin, env: variablesIn(env), ...counted }), left_out };
  } catch (error) {
    await staging.discard();
    throw error;
  }
}
