import { useMemo, useRef, useState } from "react";
import type { Recovery } from "../../../../src/protocol/events.ts";
import type { NetworkUse } from "../../../../src/protocol/network-use.ts";
import { bytes, count } from "../../format/number.ts";
import { readableJson, visible } from "../../format/text.ts";
import { duration } from "../../format/time.ts";
import { answerTool, confirm } from "../../session/actions.ts";
import { gist } from "../../session/gist.ts";
import { useKept } from "../../session/kept.ts";
import type { Item } from "../../session/transcript.ts";
import { Button } from "../../ui/button.tsx";
import { cx } from "../../ui/cx.ts";
import { useGoOn } from "../../ui/focus.ts";
import { Notice, ProblemNotice } from "../../ui/notice.tsx";
import { Preformatted, Scroll } from "../../ui/scroll.tsx";
import { Blocks } from "./blocks.tsx";
import { LongText } from "./long-text.tsx";

type Tool = Extract<Item, { kind: "tool" }>;

/** A call, folded to one line: what was called with what, whether it may, what came of it and how long it took. */
export function ToolView({
  item,
  sessionId,
  waits,
  found,
}: {
  item: Tool;
  sessionId: string;
  waits: boolean;
  found: boolean;
}) {
  const { use, result } = item;
  const input = useMemo(() => readableJson(use.input), [use.input]);
  const answering = useAnswer();
  const waitsStill = waits && !result;
  const custom = use.type === "agent.custom_tool_use";
  const name = use.type === "agent.mcp_tool_use" ? `${use.mcp_server_name}: ${use.name}` : use.name;
  // Until somebody has allowed it, it has waited, and not run.
  const began = item.answer?.processed_at ?? use.processed_at;
  const took = result?.processed_at && duration(Date.parse(result.processed_at) - Date.parse(began));
  const { recovery, network } = (result ?? {}) as { recovery?: Recovery; network?: NetworkUse };
  const late = answering.error !== null && !waitsStill;
  return (
    <>
      <details
        className={cx("rounded-md border bg-raised", waitsStill ? "border-warn" : "border-line")}
        open={waitsStill || found ? true : undefined}
      >
        <summary className="flex items-baseline gap-2 px-3 py-1.5">
          <span className="font-mono font-medium">{visible(name)}</span>
          <span className="min-w-0 grow truncate font-mono text-xs text-muted">
            {visible(gist(use.input))}
          </span>
          <span className={cx("text-xs whitespace-nowrap", result?.is_error ? "text-bad" : "text-muted")}>
            {state(item, waits)}
            {recovery && " · was lost"}
            {took && ` · ${took}`}
          </span>
        </summary>
        <div className="space-y-2 border-line border-t px-3 py-2">
          <Labelled label="input">
            <Preformatted className="max-h-80 overflow-auto font-mono text-xs whitespace-pre-wrap break-words">
              <LongText text={input} />
            </Preformatted>
          </Labelled>
          {result && (
            <Labelled label={result.is_error ? "error" : "result"}>
              <Scroll className="max-h-96 overflow-auto font-mono text-xs">
                <Blocks content={result.content ?? []} look="output" />
              </Scroll>
            </Labelled>
          )}
          {recovery && (
            <Labelled label="it was lost while it ran">
              {visible(recovery.reason)}:{" "}
              {recovery.type === "run_again"
                ? `it was run again, ${count(recovery.replays)} ${recovery.replays === 1 ? "time" : "times"}`
                : "what it has done is not known"}
            </Labelled>
          )}
          {network && <Network {...network} />}
          {!custom && <Labelled label="permission">{permission(item, waitsStill)}</Labelled>}
          {waitsStill &&
            (custom ? (
              <Answer id={use.id} sessionId={sessionId} {...answering} />
            ) : (
              <Approve id={use.id} sessionId={sessionId} {...answering} />
            ))}
        </div>
      </details>
      {late && (
        <Notice tone="warn" className="mt-1">
          Your answer came too late: {outcome(item)}.
        </Notice>
      )}
    </>
  );
}

/** Somebody else's answer, or what has come instead of one. */
function outcome({ use, answer }: Tool): string {
  if (answer) return `somebody else has ${answer.result === "allow" ? "allowed" : "denied"} this call`;
  if (use.type === "agent.custom_tool_use")
    return "somebody else has answered this call, or it was interrupted";
  return "this call does not wait any more";
}

function state({ use, result, answer }: Tool, waits: boolean): string {
  if (result) return result.is_error ? "failed" : "done";
  if (waits) return use.type === "agent.custom_tool_use" ? "waits for its result" : "waits for approval";
  if (answer) return answer.result === "allow" ? "allowed" : "denied";
  return "running…";
}

/** Which policy has decided, and who after it. */
function permission({ use, answer }: Tool, waits: boolean): string {
  if (use.type === "agent.custom_tool_use") return "";
  const { evaluated_permission: evaluated, evaluation } = use;
  const policy = evaluation ? policies[evaluation.type] : null;
  const judged = evaluation?.type === "auto" ? evaluation.evaluated_permission : null;
  const first = [
    { allow: "allowed", ask: "asks a person", deny: "refused" }[evaluated],
    policy && `by ${policy}`,
    judged && judged.type !== "allow" && `(${visible(judged.reason_code)})`,
  ];
  const then =
    answer &&
    [
      answer.result === "allow" ? "allowed" : "denied",
      answer.deny_message && `because: ${visible(answer.deny_message)}`,
    ]
      .filter(Boolean)
      .join(" ");
  return [first.filter(Boolean).join(" "), waits ? "waits" : then].filter(Boolean).join("; ");
}

const policies = { always_allow: "its policy", always_ask: "its policy", auto: "the judge" } as const;

function Network({ connections, bytes_sent, bytes_received, refused, refused_more }: NetworkUse) {
  if (connections + refused.length + refused_more === 0) return null;
  return (
    <Labelled label="network">
      {count(connections)} {connections === 1 ? "connection" : "connections"}, {bytes(bytes_sent)} sent,{" "}
      {bytes(bytes_received)} received
      {refused.length > 0 && (
        <ul className="text-bad">
          {refused.map(({ host, port, reason, count: times }) => (
            <li key={`${host} ${port} ${reason}`}>
              refused {visible(`${host || "(unnamed)"}:${port}`)}, {visible(reason)}
              {times > 1 && `, ${count(times)} times`}
            </li>
          ))}
          {refused_more > 0 && <li>and {count(refused_more)} more</li>}
        </ul>
      )}
    </Labelled>
  );
}

function Labelled({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div>
      <div className="text-xs text-muted">{label}</div>
      {children}
    </div>
  );
}

interface Answering {
  busy: boolean;
  error: unknown;
  run(action: () => Promise<unknown>): void;
}

function useAnswer(): Answering {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  return {
    busy,
    error,
    run(action) {
      setBusy(true);
      setError(null);
      action()
        .catch(setError)
        .finally(() => setBusy(false));
    },
  };
}

type Asked = Answering & { id: string; sessionId: string };

/** The line of the call, which stays. */
const callOf = (place: HTMLElement) => place.closest("details")?.querySelector("summary");

function Approve({ id, sessionId, busy, error, run }: Asked) {
  const [words, setWords] = useKept(sessionId, id);
  const place = useRef<HTMLDivElement>(null);
  useGoOn(place, callOf);
  const answer = (allow: boolean) =>
    run(async () => {
      await confirm(sessionId, [id], allow, words);
      setWords("");
    });
  return (
    <div ref={place}>
      {error !== null && <ProblemNotice error={error} />}
      <div className="mt-1 flex flex-wrap gap-2">
        <input
          aria-label="A message with the answer"
          placeholder="Say why, or what it is to mind"
          value={words}
          onChange={(event) => setWords(event.target.value)}
          className="min-w-40 grow rounded-md border border-line bg-page px-2 py-1"
        />
        <Button busy={busy} onClick={() => answer(false)}>
          Deny
        </Button>
        <Button look="primary" busy={busy} onClick={() => answer(true)}>
          Allow
        </Button>
      </div>
    </div>
  );
}

function Answer({ id, sessionId, busy, error, run }: Asked) {
  const [text, setText] = useKept(sessionId, id);
  const place = useRef<HTMLDivElement>(null);
  useGoOn(place, callOf);
  const answer = (isError: boolean) =>
    run(async () => {
      await answerTool(sessionId, id, text, isError);
      setText("");
    });
  return (
    <div ref={place}>
      {error !== null && <ProblemNotice error={error} />}
      <textarea
        aria-label="The result of the tool"
        placeholder="What the tool answers"
        rows={3}
        value={text}
        onChange={(event) => setText(event.target.value)}
        className="w-full rounded-md border border-line bg-page px-2 py-1 font-mono"
      />
      <div className="mt-1 flex gap-2">
        <Button busy={busy} onClick={() => answer(true)}>
          Answer with an error
        </Button>
        <Button look="primary" busy={busy} onClick={() => answer(false)}>
          Answer
        </Button>
      </div>
    </div>
  );
}
