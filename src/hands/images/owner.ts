import type { User } from "../drivers/sandbox-folders.ts";

/** One below those of sandboxes. */
const uid = 1_899_999_999;

/**
 * To whom the files of images and of package layers belong, and as whom those are made: under root a user who is nobody
 * else, otherwise this one.
 */
export const imageOwner = (): User => (process.getuid?.() === 0 ? { uid, gid: uid } : {});
