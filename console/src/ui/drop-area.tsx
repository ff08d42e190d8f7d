import { type DragEvent, useEffect, useId, useRef, useState } from "react";
import { visible } from "../format/text.ts";
import { Button } from "./button.tsx";
import { cx } from "./cx.ts";
import { ProblemNotice } from "./notice.tsx";

interface Uploading {
  key: number;
  name: string;
  share: number;
  error: unknown;
  stop: () => void;
}

type Upload = (file: File, progress: (share: number) => void, signal: AbortSignal) => Promise<void>;

/** Where files are dropped or chosen; each is sent by itself, and says how far it is. */
export function DropArea({ label, accept, upload }: { label: string; accept?: string; upload: Upload }) {
  const [uploads, setUploads] = useState<Uploading[]>([]);
  const [over, setOver] = useState(false);
  const next = useRef(0);
  const leave = useRef(new AbortController());
  const id = useId();
  useEffect(() => {
    const controller = new AbortController();
    leave.current = controller;
    return () => controller.abort();
  }, []);

  async function begin(file: File) {
    const key = next.current++;
    const own = new AbortController();
    const change = (changed: Partial<Uploading>) =>
      setUploads((all) => all.map((one) => (one.key === key ? { ...one, ...changed } : one)));
    setUploads((all) => [...all, { key, name: file.name, share: 0, error: null, stop: () => own.abort() }]);
    try {
      await upload(file, (share) => change({ share }), AbortSignal.any([own.signal, leave.current.signal]));
      setUploads((all) => all.filter((one) => one.key !== key));
    } catch (error) {
      change({ error });
    }
  }
  const beginAll = (files: FileList | null) => {
    for (const file of files ?? []) void begin(file);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    beginAll(event.dataTransfer.files);
  };

  return (
    <div>
      <label
        htmlFor={id}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
        className={cx(
          "block cursor-pointer rounded-lg border border-dashed px-4 py-6 text-center text-muted focus-within:outline-2 focus-within:outline-accent",
          over ? "border-accent bg-accent-soft" : "border-line",
        )}
      >
        {label}
        <input
          id={id}
          type="file"
          multiple
          accept={accept}
          className="sr-only"
          onChange={(event) => {
            beginAll(event.target.files);
            event.target.value = "";
          }}
        />
      </label>
      <ul className="mt-2 space-y-1" aria-live="polite">
        {uploads.map(({ key, name, share, error, stop }) => (
          <li key={key} className="flex items-center gap-2">
            <span className="min-w-0 truncate">{visible(name)}</span>
            {error ? (
              <ProblemNotice error={error} />
            ) : (
              <>
                <progress value={share} aria-label={`Upload of ${name}`} className="grow" />
                <Button onClick={stop}>Stop</Button>
              </>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
