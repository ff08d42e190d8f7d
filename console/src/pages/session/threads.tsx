import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { Thread } from "../../../../src/protocol/threads.ts";
import { oneOptions } from "../../api/resources.ts";
import { money, short } from "../../format/number.ts";
import { visible } from "../../format/text.ts";
import { duration } from "../../format/time.ts";
import { tokensIn } from "../../session/transcript.ts";
import { useSessionLog } from "../../session/use-session-log.ts";
import { Id } from "../../ui/copy.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { StatusOf } from "../../ui/status.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { TranscriptView } from "./transcript-view.tsx";

const route = getRouteApi("/shell/sessions/$sessionId");

/** Who works in the session, who has called whom, and what each of them has said. */
export function Threads({ sessionId }: { sessionId: string }) {
  const { thread: chosen } = route.useSearch();
  const list = useQuery({
    ...oneOptions<{ data: Thread[] }>(`/v1/sessions/${encodeURIComponent(sessionId)}/threads`),
    refetchInterval: 3_000,
  });
  const threads = list.data?.data ?? [];
  const thread = threads.find(({ id }) => id === chosen);
  if (list.error && !list.data) return <ProblemNotice error={list.error} retry={() => list.refetch()} />;
  if (thread) return <OneThread key={thread.id} thread={thread} threads={threads} />;
  return (
    <Scroll className="h-full overflow-auto p-4">
      <Table
        head={[
          "Agent",
          "Called by",
          "Status",
          { name: "Worked", of: "numbers" },
          { name: "Tokens in", of: "numbers" },
          { name: "Tokens out", of: "numbers" },
          { name: "Cost", of: "numbers" },
          "Began",
        ]}
        rows={inOrder(threads).map(({ thread: each, depth }) => ({
          key: each.id,
          cells: [
            <span key="agent" className="flex items-center gap-1 whitespace-nowrap">
              {depth > 0 && <span aria-hidden="true">{"↳ ".repeat(Math.min(depth, 8))}</span>}
              <Link
                from="/sessions/$sessionId"
                to="/sessions/$sessionId"
                search={(before) => ({ ...before, thread: each.id })}
                className="font-medium underline"
              >
                {visible(each.agent.name)}
              </Link>
              <Id id={each.id} />
            </span>,
            nameOf(each.parent_thread_id, threads),
            <StatusOf key="status" status={each.archived_at ? "terminated" : each.status} />,
            each.stats ? duration(each.stats.active_seconds * 1_000) : "",
            each.usage ? short(tokensIn(each.usage)) : "",
            each.usage ? short(each.usage.output_tokens) : "",
            each.usage?.list_cost ? money(Number(each.usage.list_cost.amount)) : "",
            <Ago key="began" at={each.created_at} />,
          ],
        }))}
      />
      {threads.length === 1 && (
        <p className="mt-3 text-muted">
          One agent works in this session. Agents that it calls would each have a thread of their own here.
        </p>
      )}
    </Scroll>
  );
}

const nameOf = (id: string | null, threads: readonly Thread[]): string =>
  id === null ? "" : visible(threads.find((other) => other.id === id)?.agent.name ?? id);

/** Each behind the one that has called it. */
function inOrder(threads: readonly Thread[]): { thread: Thread; depth: number }[] {
  const ids = new Set(threads.map(({ id }) => id));
  const beneath = (parent: string | null, depth: number): { thread: Thread; depth: number }[] =>
    threads
      .filter(({ parent_thread_id: of }) => (of !== null && ids.has(of) ? of : null) === parent)
      .flatMap((thread) => [{ thread, depth }, ...beneath(thread.id, depth + 1)]);
  return beneath(null, 0);
}

function OneThread({ thread, threads }: { thread: Thread; threads: readonly Thread[] }) {
  const log = useSessionLog(thread.session_id, thread.id);
  const caller = nameOf(thread.parent_thread_id, threads);
  if (log.problem) return <ProblemNotice error={log.problem} />;
  return (
    <div className="flex h-full flex-col">
      <div className="flex flex-wrap items-center gap-2 border-line border-b px-4 py-2">
        <Link
          from="/sessions/$sessionId"
          to="/sessions/$sessionId"
          search={(before) => ({ ...before, thread: undefined })}
          className="underline"
        >
          All threads
        </Link>
        <span className="font-medium">{visible(thread.agent.name)}</span>
        <Id id={thread.id} />
        <StatusOf status={thread.archived_at ? "terminated" : thread.status} />
        {caller && <span className="text-muted">called by {caller}</span>}
      </div>
      <div className="min-h-0 grow">
        <TranscriptView log={log} sessionId={thread.session_id} />
      </div>
    </div>
  );
}
