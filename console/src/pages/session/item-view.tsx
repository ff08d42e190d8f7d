import { Component, memo, type ReactNode } from "react";
import { money, short } from "../../format/number.ts";
import { visible } from "../../format/text.ts";
import { duration } from "../../format/time.ts";
import type { Item } from "../../session/transcript.ts";
import { cx } from "../../ui/cx.ts";
import { Notice } from "../../ui/notice.tsx";
import { Preformatted } from "../../ui/scroll.tsx";
import { Ago } from "../../ui/time.tsx";
import { Blocks, Prose } from "./blocks.tsx";
import { ToolView } from "./tool-view.tsx";

interface Props {
  item: Item;
  sessionId: string;
  /** It waits for a person. */
  waits?: boolean;
  /** It is what was searched for, and shows all that it has folded. */
  found?: boolean;
}

/** One item of the transcript. Items are replaced when they change, so one that is the same looks the same. */
export const ItemView = memo(function ItemView(props: Props) {
  return (
    <Guard key={props.item.kind}>
      <Shown {...props} />
    </Guard>
  );
});

/** What cannot be shown takes nothing else with it. */
class Guard extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError = () => ({ failed: true });
  override render() {
    return this.state.failed ? (
      <Notice tone="warn">This cannot be shown here. The raw events have it.</Notice>
    ) : (
      this.props.children
    );
  }
}

function Shown({ item, sessionId, waits = false, found = false }: Props) {
  switch (item.kind) {
    case "message":
      return <Message event={item.event} />;
    case "writing":
      return <Prose text={item.text} live />;
    case "thinking":
      return (
        <p className={cx("text-muted italic", !item.at && "animate-pulse")}>
          {item.at ? "thought" : "thinking…"}
        </p>
      );
    case "tool":
      return <ToolView item={item} sessionId={sessionId} waits={waits} found={found} />;
    case "setup":
      return (
        <details
          className="rounded-md border border-line bg-raised px-3 py-1.5"
          open={item.end?.is_error || found || undefined}
        >
          <summary className={cx(item.end?.is_error && "text-bad")}>
            {item.end
              ? item.end.is_error
                ? "The environment could not be set up"
                : "Environment set up"
              : "Setting up the environment…"}
            {item.end && <span className="text-muted"> · {between(item.at, item.end.processed_at)}</span>}
          </summary>
          <Preformatted className="mt-1 max-h-80 overflow-auto font-mono text-xs whitespace-pre-wrap">
            {visible([...item.lines, item.end?.message ?? ""].join("\n"))}
          </Preformatted>
        </details>
      );
    case "error":
      return (
        <Notice tone={item.error.retry_status.type === "retrying" ? "warn" : "bad"}>
          <div className="font-mono text-xs">{item.error.type}</div>
          {visible(item.error.message)}
          <div className="text-muted">{retryWords[item.error.retry_status.type]}</div>
        </Notice>
      );
    case "note":
      return (
        <Rule>
          {noteWords[item.note]} · <Ago at={item.at} />
        </Rule>
      );
    case "turn_end":
      return <TurnEnd item={item} />;
  }
}

const retryWords = {
  retrying: "It is tried again.",
  exhausted: "It was tried again as often as is allowed.",
  terminal: "It is not tried again.",
} as const;

const noteWords = {
  interrupt: "interrupted",
  compacted: "the conversation was summed up to make room",
  retry: "waits to try again",
  terminated: "the session has ended",
  deleted: "the session was deleted",
  updated: "the session was changed",
} as const;

const between = (from: string, to: string) => duration(Date.parse(to) - Date.parse(from));

function Rule({ children }: { children: ReactNode }) {
  return (
    <div className="flex items-center gap-3 text-xs text-muted">
      <span className="h-px grow bg-line" />
      <span>{children}</span>
      <span className="h-px grow bg-line" />
    </div>
  );
}

function TurnEnd({ item }: { item: Extract<Item, { kind: "turn_end" }> }) {
  const { reason, details, used, began, at } = item;
  const parts = [
    reasonWords[reason.type],
    began && between(began, at),
    used && `${short(used.tokens_in)} in, ${short(used.output_tokens)} out`,
    used?.cost != null && used.cost > 0 && money(used.cost),
  ].filter(Boolean);
  return (
    <>
      {details?.type === "refusal" && (details.category || details.explanation) && (
        <Notice tone="warn" className="mb-1.5">
          {details.category && <div className="font-mono text-xs">{details.category}</div>}
          <div>{visible(details.explanation ?? "")}</div>
        </Notice>
      )}
      <Rule>
        {parts.join(" · ")} · <Ago at={at} />
      </Rule>
    </>
  );
}

const reasonWords = {
  end_turn: "done",
  requires_action: "waits for you",
  retries_exhausted: "gave up after its retries",
  budget_reached: "the budget is spent",
  refusal: "the model refused",
} as const;

function Message({ event }: { event: Extract<Item, { kind: "message" }>["event"] }) {
  if (event.type === "agent.message") return <Blocks content={event.content} />;
  const system = event.type === "system.message";
  return (
    <div
      className={cx(
        "ml-auto w-fit max-w-[85%] rounded-lg px-3 py-2",
        system ? "bg-sunken" : "bg-accent-soft",
      )}
    >
      {system && <div className="text-xs text-muted">system</div>}
      <Blocks content={event.content} look="plain" />
      {!event.processed_at && <div className="text-xs text-muted">waits to be read</div>}
    </div>
  );
}
