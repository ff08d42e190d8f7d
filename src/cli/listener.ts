import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** What `/proc/net/unix` says of a socket that is listened at. */
const listening = "00010000";

/**
 * The user ids of those who have a unix socket open that listens at one of these paths. Nothing where nobody does, and where this user
 * may not know.
 */
export function listenersAt(...paths: string[]): number[] {
  const sockets = new Set(
    lines("/proc/net/unix").flatMap((line) => {
      const [, , , flags, , , inode, name] = line.split(/\s+/);
      return flags === listening && paths.includes(name ?? "") ? [`socket:[${inode}]`] : [];
    }),
  );
  if (sockets.size === 0) return [];
  const users = entries("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const isOne = entries(`/proc/${pid}/fd`).some((fd) => sockets.has(target(`/proc/${pid}/fd/${fd}`)));
      const user = isOne ? statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid : undefined;
      return user === undefined ? [] : [user];
    });
  return [...new Set(users)];
}

/** Processes end, and others are not to be looked into. */
function tried<Found>(look: () => Found, otherwise: Found): Found {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

const lines = (path: string) => tried(() => readFileSync(path, "utf8").split("\n"), []);
const entries = (path: string) => tried(() => readdirSync(path), []);
const target = (path: string) => tried(() => readlinkSync(path), "");
