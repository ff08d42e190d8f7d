import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type ReactNode, useId, useState } from "react";
import type { Agent } from "../../../../src/protocol/agents.ts";
import type { SessionStatus } from "../../../../src/protocol/sessions.ts";
import { type SessionFilters as Filters, listOptions } from "../../api/resources.ts";
import { shortId, visible } from "../../format/text.ts";
import { localTime, timeOfLocal } from "../../format/time.ts";
import { Button } from "../../ui/button.tsx";
import { cx } from "../../ui/cx.ts";

const route = getRouteApi("/shell/sessions");

const statuses: [string, SessionStatus[] | undefined][] = [
  ["All", undefined],
  ["Running", ["running"]],
  ["Retrying", ["rescheduling"]],
  ["Idle", ["idle"]],
  // Those that have ended are archived ones.
  ["Ended", ["terminated"]],
];

const dayMs = 86_400_000;
const inputClass = "min-h-8 rounded-md border border-line bg-raised px-2 py-1";

/** All that the API can be asked for; the address says what is chosen. */
export function SessionFilters({ filters }: { filters: Filters }) {
  const navigate = route.useNavigate();
  const set = (changed: Filters) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const { agent_id, agent_version, created_after, created_before, include_archived, order } = filters;
  const isChosen = (value: SessionStatus[] | undefined) =>
    value ? value.every((status) => filters.statuses?.includes(status)) : filters.statuses === undefined;
  const [isOpen, setOpen] = useState(
    agent_id !== undefined || created_after !== undefined || created_before !== undefined,
  );
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  return (
    <search className="mb-3 block space-y-2">
      <div className="flex flex-wrap items-center gap-1">
        <fieldset className="flex flex-wrap gap-1">
          <legend className="sr-only">Status</legend>
          {statuses.map(([name, value]) => (
            <button
              key={name}
              type="button"
              aria-pressed={isChosen(value)}
              onClick={() =>
                set({
                  statuses: value,
                  ...(value?.[0] === "terminated" && { include_archived: true }),
                })
              }
              className={cx(
                "rounded-full border border-line px-3 py-1",
                isChosen(value) ? "bg-accent-soft font-medium" : "text-muted hover:bg-sunken",
              )}
            >
              {name}
            </button>
          ))}
        </fieldset>
        <span className="grow" />
        <label className="flex items-center gap-1.5 px-1 py-1">
          <input
            type="checkbox"
            checked={include_archived === true}
            onChange={({ target }) => set({ include_archived: target.checked || undefined })}
          />
          Archived too
        </label>
        <select
          aria-label="Order"
          className={inputClass}
          value={order ?? "desc"}
          onChange={({ target }) => set({ order: target.value === "asc" ? "asc" : undefined })}
        >
          <option value="desc">Newest first</option>
          <option value="asc">Oldest first</option>
        </select>
      </div>
      <Button look="quiet" className="md:hidden" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? "Fewer filters" : "By agent and time"}
      </Button>
      <div className={cx("flex-wrap items-end gap-2 md:flex", isOpen ? "flex" : "hidden")}>
        <AgentFilter agentId={agent_id} version={agent_version} set={set} />
        <TimeFilter
          label="Created from"
          value={created_after}
          onChange={(value) => set({ created_after: value })}
        />
        <TimeFilter
          label="Until"
          value={created_before}
          onChange={(value) => set({ created_before: value })}
        />
        <Button look="quiet" onClick={() => set({ created_after: before(dayMs), created_before: undefined })}>
          Last day
        </Button>
        <Button
          look="quiet"
          onClick={() => set({ created_after: before(7 * dayMs), created_before: undefined })}
        >
          Last week
        </Button>
        {isFiltered && (
          <Button look="quiet" onClick={() => void navigate({ search: {}, replace: true })}>
            Clear
          </Button>
        )}
      </div>
    </search>
  );
}

/** In the browser's zone. It is taken when it is whole and left: a part of a time is none. */
function TimeFilter({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const shown = localTime(value);
  const take = (text: string) => text !== shown && onChange(timeOfLocal(text));
  return (
    <Labelled label={label}>
      {(id) => (
        <input
          key={shown}
          id={id}
          type="datetime-local"
          className={inputClass}
          defaultValue={shown}
          onBlur={({ target }) => take(target.value)}
          onKeyDown={(event) => event.key === "Enter" && take(event.currentTarget.value)}
        />
      )}
    </Labelled>
  );
}

const before = (ms: number) => `${new Date(Date.now() - ms).toISOString().slice(0, 16)}:00Z`;

function AgentFilter({
  agentId,
  version,
  set,
}: {
  agentId: string | undefined;
  version: number | undefined;
  set: (changed: Filters) => void;
}) {
  const list = useInfiniteQuery({
    ...listOptions<Agent>("/v1/agents", { include_archived: true }),
    staleTime: 60_000,
  });
  const chosen = list.data?.find(({ id }) => id === agentId);
  return (
    <>
      <Labelled label="Agent">
        {(id) => (
          <select
            id={id}
            className={cx(inputClass, "max-w-56")}
            value={agentId ?? ""}
            onChange={({ target }) => set({ agent_id: target.value || undefined, agent_version: undefined })}
          >
            <option value="">All agents</option>
            {agentId && !chosen && <option value={agentId}>{shortId(agentId)}</option>}
            {list.data?.map((agent) => (
              <option key={agent.id} value={agent.id}>
                {visible(agent.name)} {agent.archived_at ? "(archived) " : ""}· {shortId(agent.id)}
              </option>
            ))}
          </select>
        )}
      </Labelled>
      {list.hasNextPage && (
        <Button look="quiet" busy={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
          More agents
        </Button>
      )}
      {agentId && (
        <Labelled label="Version">
          {(id) => (
            <select
              id={id}
              className={inputClass}
              value={version ?? ""}
              onChange={({ target }) => set({ agent_version: Number(target.value) || undefined })}
            >
              <option value="">All</option>
              {versions(chosen?.version ?? version ?? 0).map((n) => (
                <option key={n} value={n}>
                  {n}
                </option>
              ))}
            </select>
          )}
        </Labelled>
      )}
    </>
  );
}

const versionsShown = 200;

/** The newest first. */
const versions = (newest: number) =>
  Array.from({ length: Math.min(newest, versionsShown) }, (_, n) => newest - n);

function Labelled({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="block text-xs text-muted">
        {label}
      </label>
      {children(id)}
    </div>
  );
}
