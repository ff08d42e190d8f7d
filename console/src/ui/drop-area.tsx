import { useEffect, useId, useRef, useState } from "react";
import { bytes as bytesText } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { Button } from "./button.tsx";
import { cx } from "./cx.ts";
import { chosenIn, type Dropped, droppedIn } from "./dropped.ts";
import { LeaveGuard } from "./leave-guard.tsx";
import { ProblemNotice } from "./notice.tsx";

interface Uploading {
  key: number;
  dropped: Dropped;
  /** From 0 to 1; null while it waits for its turn. */
  share: number | null;
  error: unknown;
  stop: () => void;
}

export type Upload = (
  dropped: Dropped,
  progress: (share: number) => void,
  signal: AbortSignal,
) => Promise<void>;

/** How many are sent at a time; the others wait. */
const atOnce = 3;

/** Where files or folders are dropped or chosen; each is sent by itself, says how far it is, and can be stopped or tried again. */
export function DropArea({
  label,
  hint,
  accept,
  bytesMax,
  foldersOf = 0,
  upload,
  onPending,
}: {
  label: string;
  hint?: string;
  accept?: string;
  /** What is larger is not sent. */
  bytesMax: number;
  /** A folder of so many files at most is taken as a whole; without it, none is. */
  foldersOf?: number;
  upload: Upload;
  /** How many are not there yet, and have not failed. */
  onPending?: (count: number) => void;
}) {
  const [uploads, setUploads] = useState<Uploading[]>([]);
  const [done, setDone] = useState(0);
  const [over, setOver] = useState(false);
  const [reading, setReading] = useState(0);
  const next = useRef(0);
  const running = useRef(0);
  const waiting = useRef<(() => void)[]>([]);
  const leave = useRef(new AbortController());
  const id = useId();
  useEffect(() => {
    const controller = new AbortController();
    leave.current = controller;
    return () => controller.abort();
  }, []);

  const pending = reading + uploads.filter(({ error }) => !error).length;
  useEffect(() => onPending?.(pending), [onPending, pending]);
  const pendingRef = useRef(pending);
  pendingRef.current = pending;

  // What is dropped beside it is not what the browser shows instead of this page.
  useEffect(() => {
    const refuse = (event: DragEvent) => {
      if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "none";
    };
    window.addEventListener("dragover", refuse);
    window.addEventListener("drop", refuse);
    return () => {
      window.removeEventListener("dragover", refuse);
      window.removeEventListener("drop", refuse);
    };
  }, []);

  const drop = (key: number) => setUploads((all) => all.filter((one) => one.key !== key));

  async function begin(dropped: Dropped) {
    const key = next.current++;
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, leave.current.signal]);
    const change = (changed: Partial<Uploading>) =>
      setUploads((all) => all.map((one) => (one.key === key ? { ...one, ...changed } : one)));
    const refused = refusal(dropped);
    setUploads((all) => [
      ...all,
      { key, dropped, share: null, error: refused && new Error(refused), stop: () => own.abort() },
    ]);
    if (refused !== null) return;
    if (running.current >= atOnce) await new Promise<void>((go) => waiting.current.push(go));
    running.current += 1;
    try {
      signal.throwIfAborted();
      change({ share: 0 });
      await upload(dropped, (share) => change({ share }), signal);
      setDone((count) => count + 1);
      drop(key);
    } catch (error) {
      if (own.signal.aborted) drop(key);
      else change({ error });
    } finally {
      running.current -= 1;
      waiting.current.shift()?.();
    }
  }

  function refusal({ refused, bytes }: Dropped): string | null {
    if (refused !== undefined) return refused;
    return bytes > bytesMax
      ? `It has ${bytesText(bytes)}, and the server takes ${bytesText(bytesMax)} at most.`
      : null;
  }
  const beginAll = (all: readonly Dropped[]) => {
    for (const dropped of all) void begin(dropped);
  };
  const inputs = [["files", accept], ...(foldersOf > 0 ? [["a folder", undefined]] : [])] as const;

  return (
    <div>
      <LeaveGuard title="Leave while files are uploaded?" isChanged={() => pendingRef.current > 0}>
        What is not uploaded yet would be stopped.
      </LeaveGuard>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: what is dropped here can be chosen by the fields in it */}
      <div
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          setReading((count) => count + 1);
          void droppedIn(event.dataTransfer.items, foldersOf)
            .then(beginAll)
            .finally(() => setReading((count) => count - 1));
        }}
        className={cx(
          "rounded-lg border border-dashed px-4 py-6 text-center text-muted",
          over ? "border-accent bg-accent-soft" : "border-line",
        )}
      >
        <p>{label}</p>
        <div className="mt-2 flex flex-wrap justify-center gap-2">
          {inputs.map(([what, accepted]) => (
            <label
              key={what}
              htmlFor={`${id} ${what}`}
              className="cursor-pointer rounded-md border border-line bg-raised px-3 py-1 font-medium text-ink focus-within:outline-2 focus-within:outline-accent hover:bg-sunken"
            >
              Choose {what}
              <input
                id={`${id} ${what}`}
                type="file"
                aria-label={`Choose ${what}: ${label}`}
                multiple
                accept={accepted}
                {...(what !== "files" && { webkitdirectory: "" })}
                className="sr-only"
                onChange={(event) => {
                  if (event.target.files) beginAll(chosenIn(event.target.files, foldersOf));
                  event.target.value = "";
                }}
              />
            </label>
          ))}
        </div>
        <p className="mt-2 text-xs">
          {hint} {bytesText(bytesMax)} each at most.
        </p>
      </div>
      <p role="status" className="mt-1 text-muted text-xs">
        {reading > 0 && "Reading what was dropped… "}
        {done > 0 && `${done === 1 ? "One is" : `${done} are`} uploaded.`}
      </p>
      <ul className="mt-1 space-y-2">
        {uploads.map(({ key, dropped, share, error, stop }) => (
          <li key={key} className="flex flex-wrap items-center gap-2">
            <span className="min-w-0 max-w-full truncate">{visible(dropped.name)}</span>
            {error ? (
              <>
                <div className="min-w-0 grow">
                  <ProblemNotice error={error} />
                </div>
                {refusal(dropped) === null && (
                  <Button
                    onClick={() => {
                      drop(key);
                      void begin(dropped);
                    }}
                  >
                    Try again
                  </Button>
                )}
                <Button
                  look="quiet"
                  aria-label={`Dismiss ${visible(dropped.name)}`}
                  onClick={() => drop(key)}
                >
                  Dismiss
                </Button>
              </>
            ) : (
              <>
                <progress
                  value={share ?? 0}
                  aria-label={`Upload of ${visible(dropped.name)}`}
                  className="min-w-24 grow"
                />
                <span className="w-16 text-right text-muted tabular-nums">
                  {share === null ? "waits" : `${Math.floor(share * 100)} %`}
                </span>
                <Button aria-label={`Stop ${visible(dropped.name)}`} onClick={stop}>
                  Stop
                </Button>
              </>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
