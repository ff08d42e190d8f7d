import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { sessionsOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

/** What there is to know at a glance. */
export function HomePage() {
  const running = useInfiniteQuery(sessionsOptions({ statuses: ["running", "rescheduling"] }));
  return (
    <Page title="Home">
      {running.error && <ProblemNotice error={running.error} retry={() => running.refetch()} />}
      <h2 className="mb-2 font-semibold">Running now</h2>
      {running.data?.length === 0 && <Empty title="Nothing runs">Sessions that work are shown here.</Empty>}
      <ul className="divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">
        {running.data?.map(({ id, title, agent, updated_at }) => (
          <li key={id} className="flex items-center gap-3 px-3 py-2">
            <Link
              to="/sessions/$sessionId"
              params={{ sessionId: id }}
              className="min-w-0 grow truncate font-medium"
            >
              {visible(title || agent.name)}
            </Link>
            <Ago at={updated_at} className="text-muted" />
          </li>
        ))}
      </ul>
    </Page>
  );
}
