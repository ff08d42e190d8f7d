import type { Start } from "../../src/hands/drivers/bubblewrap.ts";

/** How a wall is taken away: by another beginning. */

export type Change = (args: string[]) => string[];

/** Without that argument, wherever it is, and so many after it. */
export const without =
  (argument: string, following = 0): Change =>
  (args) =>
    args.filter((_, n) => !args.slice(Math.max(0, n - following), n + 1).includes(argument));

/** Without the binds to what lies there. */
export const uncovered =
  (path: string): Change =>
  (args) => {
    const binds = new Set(
      args.flatMap((each, n) => (each === "--ro-bind" && args[n + 2]?.startsWith(path) ? [n] : [])),
    );
    return args.filter((_, n) => !(binds.has(n) || binds.has(n - 1) || binds.has(n - 2)));
  };

/** With binds to these that can be written through. */
export const writable =
  (paths: readonly string[]): Change =>
  (args) =>
    args.map((each, n) => (each === "--ro-bind" && paths.includes(args[n + 2] ?? "") ? "--bind" : each));

/** The mounts of bwrap come one after the other, and the root is made read-only last. */
export const mounted =
  (...more: string[]): Change =>
  (args) => {
    const end = args.lastIndexOf("--remount-ro");
    return [...args.slice(0, end), ...more, ...args.slice(end)];
  };

export const replaced =
  (from: string[], to: string[]): Change =>
  (args) => {
    const at = args.findIndex((_, n) => from.every((each, i) => args[n + i] === each));
    if (at === -1) throw new Error(`a sandbox is not begun with ${from.join(" ")}`);
    return args.toSpliced(at, from.length, ...to);
  };

export const changing =
  (...changes: Change[]) =>
  (start: Start): Start => ({
    ...start,
    args: changes.reduce((args, change) => {
      const changed = change(args);
      if (changed.join(" ") === args.join(" ")) throw new Error("there is no such wall");
      return changed;
    }, start.args),
  });
