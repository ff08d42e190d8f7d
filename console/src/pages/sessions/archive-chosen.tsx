import { useState } from "react";
import { ask, Problem } from "../../api/request.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Notice } from "../../ui/notice.tsx";

const atOnce = 4;

interface Progress {
  done: number;
  refused: string[];
}

/** Archives them, a few at a time; those that cannot be are told. */
async function archiveAll(ids: readonly string[], tell: (progress: Progress) => void): Promise<Set<string>> {
  const left = [...ids];
  const archived = new Set<string>();
  const refused: string[] = [];
  const lane = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      try {
        await ask(`/v1/sessions/${encodeURIComponent(id)}/archive`, { method: "POST", body: {} });
        archived.add(id);
      } catch (error) {
        refused.push(error instanceof Problem ? error.message : String(error));
      }
      tell({ done: archived.size + refused.length, refused: [...refused] });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return archived;
}

/** What can be done with the sessions that are chosen. */
export function ArchiveChosen({
  chosen,
  clear,
  onArchived,
}: {
  chosen: ReadonlySet<string>;
  clear: () => void;
  onArchived: (ids: Set<string>) => void;
}) {
  const [asks, setAsks] = useState(false);
  const [progress, setProgress] = useState<Progress | null>(null);
  const busy = progress !== null && progress.done < chosen.size;
  const run = async () => {
    setProgress({ done: 0, refused: [] });
    const archived = await archiveAll([...chosen], setProgress);
    onArchived(archived);
    if (archived.size === chosen.size) {
      setAsks(false);
      setProgress(null);
    }
  };
  return (
    <Notice className="sticky top-2 z-10 mb-3">
      <div className="flex flex-wrap items-center gap-2">
        <span className="grow">
          {chosen.size === 1 ? "1 session is chosen" : `${chosen.size} sessions are chosen`}
        </span>
        <Button look="quiet" onClick={clear}>
          Choose none
        </Button>
        <Button look="danger" onClick={() => setAsks(true)}>
          Archive…
        </Button>
      </div>
      <Dialog
        open={asks}
        onClose={() => {
          setAsks(false);
          setProgress(null);
        }}
        title={chosen.size === 1 ? "Archive this session?" : `Archive these ${chosen.size} sessions?`}
      >
        <p>
          An archived session can be read and forked, but it takes no more messages. This cannot be undone.
        </p>
        {progress && (
          <p className="mt-2 text-muted" role="status">
            {progress.done} of {Math.max(chosen.size, progress.done)} done
          </p>
        )}
        {progress && progress.refused.length > 0 && (
          <Notice tone="warn" className="mt-2">
            {progress.refused.length} could not be archived; one that runs has to be interrupted first. The
            first of them: {progress.refused[0]}
          </Notice>
        )}
        <div className="mt-4 flex justify-end gap-2">
          <Button onClick={() => setAsks(false)}>Close</Button>
          <Button look="danger" busy={busy} onClick={run}>
            Archive
          </Button>
        </div>
      </Dialog>
    </Notice>
  );
}
