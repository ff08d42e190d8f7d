import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Agent } from "../../../../src/protocol/agents.ts";
import { agentBody } from "../../agent/agent-config.ts";
import { listOptions, oneOptions } from "../../api/resources.ts";
import type { Body } from "../../config/checked.ts";
import { Difference } from "../../config/difference.tsx";
import { Button } from "../../ui/button.tsx";
import { cx } from "../../ui/cx.ts";
import { More } from "../../ui/more.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Ago } from "../../ui/time.tsx";

/** What an agent was, version by version: what each has changed, or what any two differ in. */
export function Versions({
  path,
  current,
  offer,
}: {
  path: string;
  current: number;
  /** Puts a version's configuration into the editor. */
  offer: ((body: Body) => void) | null;
}) {
  const versions = useInfiniteQuery(listOptions<Agent>(`${path}/versions`));
  const [chosen, setChosen] = useState<number | null>(null);
  const [against, setAgainst] = useState<number | null>(null);
  const all = versions.data ?? [];
  const before = against ?? (chosen === null ? null : chosen - 1);
  return (
    <section className="mt-8">
      <h2 className="mb-2 font-semibold">Versions</h2>
      {versions.error && <ProblemNotice error={versions.error} retry={() => versions.refetch()} />}
      <p className="mb-2 text-muted">
        Each save is a version; sessions go on with the one that they began with. Choose one to see what it
        has changed.
      </p>
      <ul className="flex flex-wrap gap-1">
        {all.map(({ version, updated_at }) => (
          <li key={version}>
            <Button
              aria-pressed={version === chosen}
              className={cx(version === chosen && "border-accent bg-accent-soft")}
              onClick={() => {
                setChosen(version === chosen ? null : version);
                setAgainst(null);
              }}
            >
              v{version} <Ago at={updated_at} className="text-muted" />
            </Button>
          </li>
        ))}
      </ul>
      <More list={versions} />
      {chosen !== null && before !== null && (
        <>
          <div className="mt-3 flex flex-wrap items-center gap-2">
            <label className="flex items-center gap-2">
              Version {chosen} compared with
              <select
                className="min-h-8 rounded-md border border-line bg-raised px-2 py-1"
                value={before}
                onChange={(event) => setAgainst(Number(event.target.value))}
              >
                {chosen === 1 && <option value={0}>nothing</option>}
                {Array.from({ length: current }, (_, n) => current - n)
                  .filter((version) => version !== chosen)
                  .slice(0, 500)
                  .map((version) => (
                    <option key={version} value={version}>
                      version {version}
                    </option>
                  ))}
              </select>
            </label>
            {offer && chosen !== current && <Offer path={path} version={chosen} offer={offer} />}
          </div>
          <Compared path={path} before={before} after={chosen} />
        </>
      )}
    </section>
  );
}

const versionOptions = (path: string, version: number) => ({
  ...oneOptions<Agent>(`${path}?version=${version}`),
  enabled: version > 0,
  // A version never changes.
  staleTime: Number.POSITIVE_INFINITY,
});

function Compared({ path, before, after }: { path: string; before: number; after: number }) {
  const [older, newer] = [useQuery(versionOptions(path, before)), useQuery(versionOptions(path, after))];
  const error = older.error ?? newer.error;
  if (error) return <ProblemNotice error={error} />;
  if (!newer.data || (before > 0 && !older.data)) return <p className="mt-2 text-muted">Loading…</p>;
  return (
    <Difference
      before={older.data ? agentBody(older.data) : {}}
      after={agentBody(newer.data)}
      label={before > 0 ? `From version ${before} to version ${after}` : `Version ${after}`}
    />
  );
}

function Offer({ path, version, offer }: { path: string; version: number; offer: (body: Body) => void }) {
  const { data } = useQuery(versionOptions(path, version));
  return (
    <Button disabled={!data} onClick={() => data && offer(agentBody(data))}>
      Put version {version} into the editor
    </Button>
  );
}
