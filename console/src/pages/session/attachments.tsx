import { useEffect, useRef, useState } from "react";
import type { FileMetadata } from "../../../../src/protocol/files.ts";
import { ask } from "../../api/request.ts";
import { uploadFile } from "../../api/upload.ts";
import { visible } from "../../format/text.ts";
import { blockOf, type DraftFile } from "../../session/draft.ts";
import { Button } from "../../ui/button.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";

interface Upload {
  key: number;
  name: string;
  share: number;
  error: unknown;
  /** What is to be said of one that has arrived. */
  note: string | null;
  drop: () => void;
}

/** Resolves with what is to be said of it, if anything. */
type Take = (file: File, progress: (share: number) => void, signal: AbortSignal) => Promise<string | null>;

export type UploadList = readonly Upload[] & { begin(file: File): void };

/** Files on their way to the server, for as long as the page is open. */
export function useUploads(take: Take): UploadList {
  const [all, setAll] = useState<readonly Upload[]>([]);
  const next = useRef(0);
  const leave = useRef(new AbortController());
  useEffect(() => {
    const controller = new AbortController();
    leave.current = controller;
    return () => controller.abort();
  }, []);
  async function begin(file: File) {
    const key = next.current++;
    const own = new AbortController();
    const forget = () => setAll((before) => before.filter((one) => one.key !== key));
    const change = (part: Partial<Upload>) =>
      setAll((before) => before.map((one) => (one.key === key ? { ...one, ...part } : one)));
    const drop = () => {
      own.abort();
      forget();
    };
    setAll((before) => [...before, { key, name: file.name, share: 0, error: null, note: null, drop }]);
    try {
      const signal = AbortSignal.any([own.signal, leave.current.signal]);
      const note = await take(file, (share) => change({ share }), signal);
      if (note === null) forget();
      else change({ note });
    } catch (error) {
      change({ error });
    }
  }
  return Object.assign([...all], { begin: (file: File) => void begin(file) });
}

/** Uploads it; what no model can be shown is put into the session's sandbox. */
export async function attachTo(
  sessionId: string,
  file: File,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<DraftFile | { mount_path: string }> {
  const stored = await uploadFile<FileMetadata>("/v1/files", [["file", file]], progress, signal);
  const block = blockOf(stored);
  if (block) return { id: stored.id, name: stored.filename, block };
  return ask<{ mount_path: string }>(`/v1/sessions/${encodeURIComponent(sessionId)}/resources`, {
    method: "POST",
    body: { type: "file", file_id: stored.id },
    signal,
  });
}

export const isUnderWay = ({ error, note }: Upload): boolean => error === null && note === null;

export function Uploads({
  uploads,
  files,
  remove,
}: {
  uploads: readonly Upload[];
  files: readonly DraftFile[];
  remove: (id: string) => void;
}) {
  if (uploads.length + files.length === 0) return null;
  return (
    <ul className="mb-2 flex flex-wrap gap-2" aria-label="Attached files">
      {files.map(({ id, name, block }) => (
        <li key={id} className="flex max-w-full items-center gap-1 rounded border border-line pl-2">
          <span className="min-w-0 truncate">{visible(name)}</span>
          <span className="text-xs text-muted">{block}</span>
          <Button look="quiet" aria-label={`Remove ${name}`} onClick={() => remove(id)}>
            ✕
          </Button>
        </li>
      ))}
      {uploads.map(({ key, name, share, error, note, drop }) => (
        <li key={key} className="flex max-w-full items-center gap-2 rounded border border-line pl-2">
          <span className="min-w-0 truncate">{visible(name)}</span>
          {note !== null && <span className="text-xs text-muted">{visible(note)}</span>}
          {error !== null && <ProblemNotice error={error} />}
          {note === null && error === null && (
            <progress value={share} aria-label={`Upload of ${name}`} className="w-24" />
          )}
          <Button look="quiet" aria-label={`Drop ${name}`} onClick={drop}>
            ✕
          </Button>
        </li>
      ))}
    </ul>
  );
}
