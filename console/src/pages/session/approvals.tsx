import { useRef, useState } from "react";
import { confirm } from "../../session/actions.ts";
import { useKept } from "../../session/kept.ts";
import type { SessionLog } from "../../session/session-log.ts";
import { Button } from "../../ui/button.tsx";
import { useGoOn } from "../../ui/focus.ts";
import { ProblemNotice } from "../../ui/notice.tsx";

/** More than one call waits: one answer for all of them. */
export function Approvals({
  log,
  sessionId,
  back,
}: {
  log: SessionLog;
  sessionId: string;
  /** Where one goes on once all are answered. */
  back: () => HTMLElement | null;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [words, setWords] = useKept(sessionId, "approvals");
  const { waiting, items } = log.transcript;
  // Only while some wait is it worth looking through all that was said.
  const calls =
    waiting.length < 2
      ? []
      : items.flatMap((item) =>
          item.kind === "tool" &&
          item.use.type !== "agent.custom_tool_use" &&
          waiting.includes(item.id) &&
          !item.result
            ? [item.id]
            : [],
        );
  if (calls.length < 2 && error === null) return null;
  const answer = (allow: boolean) => {
    setBusy(true);
    setError(null);
    confirm(sessionId, calls, allow, words)
      .then(() => setWords(""))
      .catch(setError)
      .finally(() => setBusy(false));
  };
  return (
    <div className="border-line border-t bg-warn-soft px-4 py-2">
      {error !== null && (
        <div className="mx-auto mb-2 flex max-w-4xl items-center gap-2">
          <div className="grow">
            <ProblemNotice error={error} />
          </div>
          <Button onClick={() => setError(null)}>Close</Button>
        </div>
      )}
      {calls.length > 1 && (
        <All count={calls.length} busy={busy} words={words} setWords={setWords} answer={answer} back={back} />
      )}
    </div>
  );
}

function All({
  count,
  busy,
  words,
  setWords,
  answer,
  back,
}: {
  count: number;
  busy: boolean;
  words: string;
  setWords: (words: string) => void;
  answer: (allow: boolean) => void;
  back: () => HTMLElement | null;
}) {
  const place = useRef<HTMLDivElement>(null);
  useGoOn(place, back);
  return (
    <div ref={place} className="mx-auto flex max-w-4xl flex-wrap items-center gap-2">
      <span className="basis-full sm:basis-auto">{count} calls wait for your approval.</span>
      <input
        aria-label="A message with the answer to all of them"
        placeholder="Say why, or what it is to mind"
        value={words}
        onChange={(event) => setWords(event.target.value)}
        className="min-w-0 grow basis-0 rounded-md border border-line bg-page px-2 py-1"
      />
      <Button busy={busy} onClick={() => answer(false)}>
        Deny all
      </Button>
      <Button look="primary" busy={busy} onClick={() => answer(true)}>
        Allow all
      </Button>
    </div>
  );
}
