import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { PendingAction } from "../../../src/protocol/pending-actions.ts";
import type { UsageReport } from "../../../src/protocol/usage.ts";
import { listOptions, oneOptions, sessionsOptions } from "../api/resources.ts";
import { count, money, short } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { duration } from "../format/time.ts";
import { LinkButton } from "../ui/link-button.tsx";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

/** What waits for me, what runs, and what it has cost today. */
export function HomePage() {
  return (
    <Page title="Home">
      <Today />
      <div className="mt-6 grid gap-6 lg:grid-cols-2">
        <Waiting />
        <Running />
      </div>
    </Page>
  );
}

const startOfDay = () => `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;

function Today() {
  const usage = useQuery({
    ...oneOptions<UsageReport>(`/v1/usage?starting_at=${startOfDay()}`),
    refetchInterval: 15_000,
  });
  if (usage.error) return <ProblemNotice error={usage.error} retry={() => usage.refetch()} />;
  const today = usage.data?.data.at(-1)?.results[0];
  const read = today ? today.input_tokens + today.cache_read_input_tokens : 0;
  return (
    <dl className="grid grid-cols-2 gap-2 sm:grid-cols-4" aria-label="Today, by UTC">
      <Figure name="Cost today" value={money(Number(today?.list_cost.amount ?? 0))} exact="at list prices" />
      <Figure name="Sessions today" value={count(today?.sessions ?? 0)} />
      <Figure
        name="Tokens today"
        value={short(read + (today?.output_tokens ?? 0))}
        exact={`${count(read)} in, ${count(today?.output_tokens ?? 0)} out`}
      />
      <Figure name="Active today" value={duration((today?.active_seconds ?? 0) * 1_000)} />
    </dl>
  );
}

const Figure = ({ name, value, exact }: { name: string; value: string; exact?: string }) => (
  <div className="rounded-lg border border-line bg-raised px-3 py-2" title={exact}>
    <dt className="text-muted">{name}</dt>
    <dd className="text-lg font-semibold tabular-nums">{value}</dd>
  </div>
);

function Waiting() {
  const list = useInfiniteQuery({
    ...listOptions<PendingAction>("/v1/pending_actions"),
    refetchInterval: 3_000,
  });
  return (
    <Section title="Waits for you" error={list.error} retry={() => list.refetch()}>
      {list.data?.length === 0 && (
        <Empty title="Nothing waits">Calls that need your approval, and questions, are shown here.</Empty>
      )}
      <Rows>
        {list.data?.map(({ event, session_id, session_title, agent, kind, since }) => (
          <li key={event.id} className="flex items-center gap-3 px-3 py-2">
            <Link
              to="/sessions/$sessionId"
              params={{ sessionId: session_id }}
              className="min-w-0 grow hover:underline"
            >
              <span className="block truncate font-medium">{visible(session_title || agent.name)}</span>
              <span className="block truncate text-muted">
                {kind === "tool_confirmation" ? "asks to call " : "wants a result of "}
                <span className="font-mono text-xs">
                  {"name" in event ? visible(event.name) : event.type}
                </span>
              </span>
            </Link>
            <Ago at={since} className="whitespace-nowrap text-muted" />
          </li>
        ))}
      </Rows>
    </Section>
  );
}

function Running() {
  const list = useInfiniteQuery(sessionsOptions({ statuses: ["running", "rescheduling"] }));
  return (
    <Section title="Running now" error={list.error} retry={() => list.refetch()}>
      {list.data?.length === 0 && (
        <Empty title="Nothing runs">
          Make an agent, and try it.
          <div className="mt-4">
            <LinkButton to="/agents">Agents</LinkButton>
          </div>
        </Empty>
      )}
      <Rows>
        {list.data?.map(({ id, title, agent, updated_at, waiting_for }) => (
          <li key={id} className="flex items-center gap-3 px-3 py-2">
            <Link
              to="/sessions/$sessionId"
              params={{ sessionId: id }}
              className="min-w-0 grow truncate font-medium"
            >
              {visible(title || agent.name)}
            </Link>
            {waiting_for && (
              <span className="text-muted">waits for {waiting_for.type.replaceAll("_", " ")}</span>
            )}
            <Ago at={updated_at} className="whitespace-nowrap text-muted" />
          </li>
        ))}
      </Rows>
    </Section>
  );
}

const Rows = ({ children }: { children: ReactNode }) => (
  <ul className="divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">{children}</ul>
);

function Section({
  title,
  error,
  retry,
  children,
}: {
  title: string;
  error: unknown;
  retry: () => void;
  children: ReactNode;
}) {
  return (
    <section>
      <h2 className="mb-2 font-semibold">{title}</h2>
      {error ? <ProblemNotice error={error} retry={retry} /> : children}
    </section>
  );
}
