import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { UsageReport } from "../../../../src/protocol/usage.ts";
import { pathWith } from "../../api/request.ts";
import { oneOptions } from "../../api/resources.ts";
import { count, money, short } from "../../format/number.ts";
import { clockTime, duration } from "../../format/time.ts";
import { ProblemNotice } from "../../ui/notice.tsx";
import { cacheShare, readTokens } from "../../usage/series.ts";

const lookMs = 15_000;

const dayMs = 86_400_000;
const startOfDay = (at: number) => `${new Date(at).toISOString().slice(0, 10)}T00:00:00Z`;

/** What the day has cost so far. A day is one of UTC, as on the page of the usage. */
export function Today() {
  // Which day it is the server says, whose last one it is: the clock of this browser may be before it or behind.
  const yesterday = startOfDay(Date.now() - dayMs);
  const usage = useQuery({
    ...oneOptions<UsageReport>(pathWith("/v1/usage", { starting_at: yesterday })),
    refetchInterval: lookMs,
  });
  if (usage.error && !usage.data) return <ProblemNotice error={usage.error} retry={() => usage.refetch()} />;
  // Nothing that is not known yet is said to be nought.
  const known = (text: string) => (usage.data ? text : "…");
  const day = usage.data?.data.at(-1);
  const since = day?.starting_at ?? startOfDay(Date.now());
  const today = day?.results[0];
  const read = today ? readTokens(today) : 0;
  const share = today ? cacheShare([today]) : null;
  const unpriced = today?.unpriced_uses ?? 0;
  return (
    <section aria-label="Today">
      <dl className="grid grid-cols-2 gap-2 sm:grid-cols-4">
        <Figure
          name="Cost today"
          value={known(money(Number(today?.list_cost.amount ?? 0)))}
          note={unpriced > 0 ? `${count(unpriced)} uses have no list price` : "at list prices"}
        />
        <Figure
          name="Sessions today"
          value={known(count(today?.sessions ?? 0))}
          note={known(
            `${count(today?.model_requests ?? 0)} model ${today?.model_requests === 1 ? "request" : "requests"}`,
          )}
        />
        <Figure
          name="Tokens today"
          value={known(short(read + (today?.output_tokens ?? 0)))}
          note={known(
            share === null
              ? `${short(today?.output_tokens ?? 0)} out`
              : `${short(today?.output_tokens ?? 0)} out, ${Math.round(share * 100)}% of ${short(read)} in cached`,
          )}
        />
        <Figure
          name="Active today"
          value={known(duration((today?.active_seconds ?? 0) * 1_000))}
          note="of runs that have ended"
        />
      </dl>
      <p className="mt-1 text-xs text-muted">
        {new Date(since).getTimezoneOffset() === 0
          ? "Today is the day of UTC. "
          : `Today is the day of UTC: since ${clockTime(since)} in your time. `}
        <Link to="/usage" className="underline">
          By day and agent
        </Link>
      </p>
    </section>
  );
}

const Figure = ({ name, value, note }: { name: string; value: string; note: string }) => (
  <div className="min-w-0 rounded-lg border border-line bg-raised px-3 py-2">
    <dt className="text-muted">{name}</dt>
    <dd>
      <div className="text-lg font-semibold tabular-nums">{value}</div>
      <div className="text-xs text-muted">{note}</div>
    </dd>
  </div>
);
