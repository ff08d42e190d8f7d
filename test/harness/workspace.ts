import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** A session's workspace as the host sees it; `folder` is the one that `hands` keeps its sandboxes in. */
export interface Workspace {
  path(name: string): string;
  /** Waits for a file that a command writes, and reads it once something stands in it. */
  written(name: string): Promise<string>;
  /** Lets `heldCommand` go on. */
  release(): void;
}

/** Says in the file `runs` that it runs, waits to be released, and says how often it has run. */
export const heldCommand = "echo run >> runs; until [ -e go ]; do sleep 0.02; done; grep -c run runs";

/** Says so until it is released. */
export const talksUntilReleased = "until [ -e go ]; do echo still here; sleep 0.02; done";

export function workspaceOf(folder: string, sessionId: string): Workspace {
  const root = join(folder, "sandboxes", sessionId.replace("sesn_", "sbx_"), "workspace");
  return {
    path: (name) => join(root, name),
    async written(name) {
      for (;;) {
        const text = existsSync(join(root, name)) ? readFileSync(join(root, name), "utf8") : "";
        if (text !== "") return text;
        await pause(5);
      }
    },
    release: () => writeFileSync(join(root, "go"), ""),
  };
}
