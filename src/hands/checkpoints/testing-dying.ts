import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const changes = [
  ...[
    "mkdirSync",
    "openSync",
    "writeSync",
    "writeFileSync",
    "renameSync",
    "linkSync",
    "symlinkSync",
    "rmSync",
  ],
  ...["unlinkSync", "fsyncSync", "fchmodSync", "futimesSync", "utimesSync"],
] as const;

type Change = (...args: unknown[]) => unknown;

class Dead extends Error {}

/**
 * Acts as a process would that is killed right before its n-th change of a disk: from then on it changes nothing more.
 * Whether it lived to the end.
 */
export async function livesPast(count: number, act: () => Promise<unknown>): Promise<boolean> {
  const originals = changes.map((name) => [name, fs[name] as Change] as const);
  let left = count;
  const dying =
    (original: Change) =>
    (...args: unknown[]) => {
      left -= 1;
      if (left <= 0) throw new Dead();
      return original.apply(fs, args);
    };
  Object.assign(fs, Object.fromEntries(originals.map(([name, original]) => [name, dying(original)])));
  syncBuiltinESMExports();
  try {
    await act();
  } catch (error) {
    if (left > 0) throw error;
  } finally {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  }
  return left > 0;
}
