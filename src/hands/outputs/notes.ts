import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Noted {
  sandbox_id: string;
  session_id: string;
}

/**
 * The sandboxes whose outputs may not be taken yet, on the host's own disk, for the process after this one. A note that is lost
 * in a power cut is made again when the sandbox is started the next time.
 */
export interface OutputsNotes {
  add(noted: Noted): void;
  forget(sandbox_id: string): void;
  all(): Noted[];
}

export function openOutputsNotes(data_dir: string): OutputsNotes {
  const folder = join(data_dir, "outputs");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const noted = new Set<string>(readdirSync(folder));
  return {
    add({ sandbox_id, session_id }) {
      if (noted.has(sandbox_id)) return;
      writeFileSync(join(folder, sandbox_id), session_id);
      noted.add(sandbox_id);
    },
    forget(sandbox_id) {
      if (!noted.delete(sandbox_id)) return;
      rmSync(join(folder, sandbox_id), { force: true });
    },
    all: () =>
      [...noted]
        .map((sandbox_id) => ({ sandbox_id, session_id: readFileSync(join(folder, sandbox_id), "utf8") }))
        .filter(({ session_id }) => session_id.startsWith("sesn_")),
  };
}
