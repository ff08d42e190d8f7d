import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useRef, useState } from "react";
import type { PendingAction } from "../../../../src/protocol/pending-actions.ts";
import { Problem } from "../../api/request.ts";
import { listOptions } from "../../api/resources.ts";
import { visible } from "../../format/text.ts";
import { confirm } from "../../session/actions.ts";
import { gist } from "../../session/gist.ts";
import { Button } from "../../ui/button.tsx";
import { besideRow, useGoOn } from "../../ui/focus.ts";
import { LinkButton } from "../../ui/link-button.tsx";
import { More } from "../../ui/more.tsx";
import { Notice } from "../../ui/notice.tsx";
import { Preformatted } from "../../ui/scroll.tsx";
import { Ago } from "../../ui/time.tsx";
import { Nothing, Rows, Section } from "./section.tsx";

const path = "/v1/pending_actions";
const lookMs = 4_000;

/** Calls to allow or deny, those whose result a person gives, and budgets to raise; what has waited longest comes first. */
export function Waiting() {
  const list = useInfiniteQuery({
    ...listOptions<PendingAction>(path),
    refetchInterval: lookMs,
  });
  return (
    <Section title="Waits for you" list={list}>
      {list.data?.length === 0 && (
        <Nothing>
          Nothing waits. A call that an agent may not make unasked, a question of one, and work that has used
          up its budget are here until you have seen to them.
        </Nothing>
      )}
      <Rows>
        {list.data?.map((action) => (
          <Action key={action.event.id} action={action} />
        ))}
      </Rows>
      <More list={list} />
    </Section>
  );
}

function Action({ action }: { action: PendingAction }) {
  const { session_id, session_title, agent, since } = action;
  return (
    <li className="px-3 py-2">
      <div className="flex items-baseline gap-3">
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: session_id }}
          className="min-w-0 grow truncate font-medium hover:underline"
        >
          {visible(session_title || agent.name)}
        </Link>
        <Ago at={since} className="whitespace-nowrap text-muted" />
      </div>
      {action.kind === "budget" ? <UsedUp action={action} /> : <Call action={action} />}
    </li>
  );
}

function Call({ action: { event, session_id, session_title, agent, kind } }: { action: PendingAction }) {
  if (
    event.type !== "agent.tool_use" &&
    event.type !== "agent.mcp_tool_use" &&
    event.type !== "agent.custom_tool_use"
  )
    return null;
  const name = event.type === "agent.mcp_tool_use" ? `${event.mcp_server_name}: ${event.name}` : event.name;
  return (
    <>
      <div className="text-muted">
        {session_title && `${visible(agent.name)} `}
        {kind === "tool_confirmation" ? "asks to call " : "wants a result of "}
        <span className="font-mono text-xs text-ink">{visible(name)}</span>
      </div>
      <details className="mt-1">
        <summary className="truncate font-mono text-xs">{visible(gist(event.input))}</summary>
        <Preformatted className="mt-1 max-h-60 overflow-auto rounded bg-sunken p-2 font-mono text-xs break-words whitespace-pre-wrap">
          {visible(JSON.stringify(event.input, null, 2))}
        </Preformatted>
      </details>
      {kind === "tool_confirmation" ? (
        <Approve sessionId={session_id} id={event.id} />
      ) : (
        <InSession id={session_id}>Answer in the session</InSession>
      )}
    </>
  );
}

const UsedUp = ({ action: { session_id, session_title, agent } }: { action: PendingAction }) => (
  <>
    <p className="text-muted">
      {session_title && `${visible(agent.name)} `}has used up its budget in the midst of its work
    </p>
    <InSession id={session_id}>Raise it, or archive the session</InSession>
  </>
);

const InSession = ({ id, children }: { id: string; children: ReactNode }) => (
  <div className="mt-2 flex justify-end">
    <LinkButton to="/sessions/$sessionId" params={{ sessionId: id }}>
      {children}
    </LinkButton>
  </div>
);

interface Verdict {
  allow: boolean;
  why?: string;
}

function Approve({ sessionId, id }: { sessionId: string; id: string }) {
  const queries = useQueryClient();
  // Null until it was asked for.
  const [denies, setDenies] = useState<boolean | null>(null);
  const place = useRef<HTMLDivElement>(null);
  useGoOn(place, besideRow);
  const [why, setWhy] = useState("");
  const answer = useMutation({
    mutationFn: ({ allow, why: reason }: Verdict) => confirm(sessionId, [id], allow, reason),
    // Also when it was refused: then somebody else has answered it, or it waits no more.
    onSettled: () => queries.invalidateQueries({ queryKey: [path] }),
  });
  const busy = answer.isPending || answer.isSuccess;
  return (
    <div ref={place} className="mt-2">
      {answer.error && (
        <Notice tone="bad" className="mb-2">
          {visible(answer.error.message)}
          {answer.error instanceof Problem &&
            answer.error.status === 400 &&
            " Maybe somebody else has answered."}
        </Notice>
      )}
      {denies ? (
        <form
          className="flex flex-wrap gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            answer.mutate({ allow: false, why });
          }}
        >
          <input
            // biome-ignore lint/a11y/noAutofocus: it was asked for just now
            autoFocus
            aria-label="Why it is denied"
            placeholder="Say why: the agent reads it"
            value={why}
            onChange={(event) => setWhy(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && setDenies(false)}
            className="min-w-40 grow rounded-md border border-line bg-page px-2 py-1"
          />
          <Button look="quiet" onClick={() => setDenies(false)}>
            Back
          </Button>
          <Button look="danger" type="submit" busy={busy}>
            Deny
          </Button>
        </form>
      ) : (
        <div className="flex justify-end gap-2">
          {/* Whoever thought better of it is where they were. */}
          <Button busy={busy} autoFocus={denies === false} onClick={() => setDenies(true)}>
            Deny…
          </Button>
          <Button look="primary" busy={busy} onClick={() => answer.mutate({ allow: true })}>
            Allow
          </Button>
        </div>
      )}
    </div>
  );
}
