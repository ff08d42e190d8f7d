import { type KeyboardEvent, useState } from "react";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { interrupt, redirect, say } from "../../session/actions.ts";
import type { SessionLog } from "../../session/session-log.ts";
import { Button } from "../../ui/button.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";

/** Where a person speaks to the agent. What could not be sent stays where it was written. */
export function Composer({
  sessionId,
  log,
  session,
}: {
  sessionId: string;
  log: SessionLog;
  session: Session | undefined;
}) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const running = isRunning(log);

  if (session?.archived_at || session?.status === "terminated")
    return (
      <p className="border-line border-t px-4 py-3 text-muted">
        This session is over: it takes no more messages.
      </p>
    );

  async function run(action: () => Promise<unknown>, clears: boolean) {
    setBusy(true);
    setError(null);
    try {
      await action();
      if (clears) setText("");
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  }
  const empty = text.trim() === "";
  const submit = () => void run(() => say(sessionId, text), true);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (!empty && !busy) submit();
  };

  return (
    <div className="border-line border-t bg-raised p-3">
      {error !== null && (
        <div className="mb-2">
          <ProblemNotice error={error} />
        </div>
      )}
      <div className="mx-auto flex max-w-4xl items-end gap-2">
        <textarea
          aria-label="Message to the agent"
          placeholder={running ? "Say something while it works…" : "What is to be done?"}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          rows={Math.min(8, text.split("\n").length)}
          className="min-h-9 grow resize-none rounded-md border border-line bg-page px-3 py-2"
        />
        {running && (
          <>
            <Button
              disabled={busy || empty}
              title="Stop what it does, and do this instead"
              onClick={() => run(() => redirect(sessionId, text), true)}
            >
              Redirect
            </Button>
            <Button look="danger" disabled={busy} onClick={() => run(() => interrupt(sessionId), false)}>
              Interrupt
            </Button>
          </>
        )}
        <Button look="primary" disabled={empty} busy={busy} onClick={submit}>
          Send
        </Button>
      </div>
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
