import {
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useRef,
  useState,
} from "react";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { Problem } from "../../api/request.ts";
import { visible } from "../../format/text.ts";
import { interrupt, send } from "../../session/actions.ts";
import { changed, type Draft, emptyDraft, isEmpty, keepDraft, readDraft, sent } from "../../session/draft.ts";
import type { SessionLog } from "../../session/session-log.ts";
import { Button } from "../../ui/button.tsx";
import { cx } from "../../ui/cx.ts";
import { useGoOn } from "../../ui/focus.ts";
import { ProblemNotice } from "../../ui/notice.tsx";
import { attachTo, isUnderWay, Uploads, useUploads } from "./attachments.tsx";

interface Props {
  sessionId: string;
  log: SessionLog;
  session: Session | undefined;
}

/** Where a person speaks to the agent. */
export function Composer({ sessionId, log, session }: Props) {
  return log.transcript.ended || session?.archived_at || session?.status === "terminated" ? (
    <p className="border-line border-t px-4 py-3 text-muted">
      This session is over: it takes no more messages.
    </p>
  ) : (
    <Writing key={sessionId} sessionId={sessionId} log={log} />
  );
}

/** What could not be sent stays where it was written, and so does what was not when the page was loaded anew. */
function Writing({ sessionId, log }: Omit<Props, "session">) {
  const [draft, setDraft] = useState(() => readDraft(sessionId, Date.now()));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [over, setOver] = useState(false);
  const current = useRef(draft);
  const input = useRef<HTMLInputElement>(null);
  const text = useRef<HTMLTextAreaElement>(null);
  const keep = (next: Draft) => {
    current.current = next;
    keepDraft(sessionId, next);
    setDraft(next);
  };
  const uploads = useUploads(async (file, progress, signal) => {
    const attached = await attachTo(sessionId, file, progress, signal);
    if ("mount_path" in attached)
      return `lies at ${attached.mount_path} in the sandbox; the model is not shown it`;
    keep(changed(current.current, { files: [...current.current.files, attached] }));
    return null;
  });

  async function act(action: () => Promise<unknown>) {
    setBusy(true);
    setError(null);
    try {
      await action();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  }
  async function give(redirect: boolean) {
    const { draft: given, events } = sent(current.current, redirect, Date.now());
    keep(given);
    try {
      await send(sessionId, events, given.sending?.key);
      if (current.current === given) keep(emptyDraft);
    } catch (problem) {
      // What was refused has changed nothing; of what had no answer nobody knows.
      const refused =
        problem instanceof Problem &&
        problem.status >= 400 &&
        problem.status < 500 &&
        // The first attempt still runs.
        problem.status !== 409;
      if (refused && current.current === given) keep({ ...given, sending: null });
      throw problem;
    }
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, with what the page was left with
  useEffect(() => {
    if (draft.sending) void act(() => give(draft.sending?.redirect ?? false));
  }, []);

  const running = isRunning(log);
  const isUploading = uploads.some(isUnderWay);
  const stopped = isEmpty(draft) || busy || isUploading;
  const submit = () => void act(() => give(false));
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (!stopped) submit();
  };
  const attach = (files: FileList | null) => {
    for (const file of files ?? []) uploads.begin(file);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    attach(event.dataTransfer.files);
  };
  const onPaste = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    attach(event.clipboardData.files);
  };

  return (
    <section
      aria-label="Message"
      className={cx("border-line border-t p-3", over ? "bg-accent-soft" : "bg-raised")}
      onDrop={onDrop}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
    >
      <div className="mx-auto max-w-4xl">
        {error !== null && (
          <div className="mb-2">
            <ProblemNotice error={error} />
            {draft.sending && (
              <p className="mt-1 text-xs text-muted">
                Perhaps it has arrived all the same. Sent again as it is, it is there once.
              </p>
            )}
          </div>
        )}
        <Uploads
          uploads={uploads}
          files={draft.files}
          remove={(id) =>
            keep(changed(current.current, { files: current.current.files.filter((file) => file.id !== id) }))
          }
        />
        <div className="flex flex-wrap items-end gap-2">
          <textarea
            ref={text}
            aria-label="Message to the agent"
            aria-describedby="how-to-send"
            placeholder={running ? "Say something while it works…" : "What is to be done?"}
            value={draft.text}
            onChange={(event) => keep(changed(current.current, { text: event.target.value }))}
            onKeyDown={onKeyDown}
            onPaste={onPaste}
            readOnly={busy}
            rows={Math.min(8, draft.text.split("\n").length)}
            className="min-h-9 min-w-40 grow resize-none rounded-md border border-line bg-page px-3 py-2"
          />
          <span id="how-to-send" className="sr-only">
            Enter sends it, Shift and Enter begins a new line. Files can be dropped or pasted here.
          </span>
          <input
            ref={input}
            type="file"
            multiple
            tabIndex={-1}
            aria-hidden="true"
            className="hidden"
            onChange={(event) => {
              attach(event.target.files);
              event.target.value = "";
            }}
          />
          <Button aria-label="Attach files" title="Attach files" onClick={() => input.current?.click()}>
            <span aria-hidden="true">+</span>
          </Button>
          {running && (
            <WhileItRuns back={() => text.current}>
              <Button
                disabled={isEmpty(draft) || isUploading}
                busy={busy}
                title="Stop what it does, and do this instead"
                onClick={() => {
                  text.current?.focus();
                  void act(() => give(true));
                }}
              >
                Redirect
              </Button>
              <Button look="danger" busy={busy} onClick={() => act(() => interrupt(sessionId))}>
                Interrupt
              </Button>
            </WhileItRuns>
          )}
          <Button
            look="primary"
            disabled={isEmpty(draft) || isUploading}
            busy={busy}
            onClick={() => {
              // Once it is sent there is nothing to send.
              text.current?.focus();
              submit();
            }}
          >
            Send
          </Button>
        </div>
        <p className="sr-only" aria-live="polite">
          {visible(draft.files.map(({ name }) => `${name} is attached.`).join(" "))}
        </p>
      </div>
    </section>
  );
}

/** What can be done only then. */
function WhileItRuns({ back, children }: { back: () => HTMLElement | null; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  useGoOn(place, back);
  return (
    <div ref={place} className="flex gap-2">
      {children}
    </div>
  );
}

function isRunning({ events }: SessionLog): boolean {
  for (let n = events.length - 1; n >= 0; n--) {
    const type = events[n]?.type;
    if (type === "session.status_running" || type === "session.status_rescheduled") return true;
    if (type === "session.status_idle" || type === "session.status_terminated") return false;
  }
  return false;
}
