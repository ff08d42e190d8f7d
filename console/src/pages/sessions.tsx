import { getRouteApi } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { isAway } from "../api/request.ts";
import { count } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { useSessionList } from "../sessions/use-session-list.ts";
import { LinkButton } from "../ui/link-button.tsx";
import { Empty, Notice, ProblemNotice } from "../ui/notice.tsx";
import { Page } from "./page.tsx";
import { ArchiveChosen } from "./sessions/archive-chosen.tsx";
import { SessionFilters } from "./sessions/session-filters.tsx";
import { SessionRows } from "./sessions/session-rows.tsx";

const none: ReadonlySet<string> = new Set();

const route = getRouteApi("/shell/sessions");

/** None is chosen that these filters do not show. */
function useChosen(filters: string) {
  const [state, setState] = useState<{ filters: string; ids: ReadonlySet<string> }>({ filters, ids: none });
  const chosen = state.filters === filters ? state.ids : none;
  const setChosen = useCallback(
    (change: (before: ReadonlySet<string>) => ReadonlySet<string>) =>
      setState((before) => ({ filters, ids: change(before.filters === filters ? before.ids : none) })),
    [filters],
  );
  const choose = useCallback(
    (id: string, on: boolean) =>
      setChosen((before) => new Set(on ? [...before, id] : [...before].filter((other) => other !== id))),
    [setChosen],
  );
  return { chosen, setChosen, choose };
}

export function SessionsPage() {
  const filters = route.useSearch();
  const { list, stale, show, remove } = useSessionList(filters);
  const { chosen, setChosen, choose } = useChosen(JSON.stringify(filters));
  const sessions = list.data;
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  return (
    <Page
      title="Sessions"
      actions={
        <>
          <span className="text-muted tabular-nums" role="status">
            {sessions && `${count(sessions.length)}${list.hasNextPage ? " and more" : ""}`}
          </span>
          <LinkButton look="primary" to="/sessions/new">
            New session
          </LinkButton>
        </>
      }
    >
      <SessionFilters filters={filters} />
      {chosen.size > 0 && (
        <ArchiveChosen
          chosen={chosen}
          clear={() => setChosen(() => none)}
          onArchived={(ids) => {
            if (!filters.include_archived) remove(ids);
            setChosen((before) => new Set([...before].filter((id) => !ids.has(id))));
          }}
        />
      )}
      {list.error && (
        <ProblemNotice error={list.error} retry={() => (sessions ? list.fetchNextPage() : list.refetch())} />
      )}
      {stale && !list.error && !isAway(stale) && (
        <Notice tone="warn" className="mb-3">
          What stands here is from before: {visible(stale.message)} It is asked for again by itself.
        </Notice>
      )}
      {list.isPending && <p className="p-3 text-muted">Loading…</p>}
      {sessions?.length === 0 &&
        (isFiltered ? (
          <Empty title="No session is like that">
            Look for others: with another status, agent or time, or the archived ones too.
          </Empty>
        ) : (
          <Empty title="No sessions here">
            A session is an agent at work on a task. They are listed here once one is made.
            <div className="mt-4">
              <LinkButton to="/sessions/new">Begin one</LinkButton>
            </div>
          </Empty>
        ))}
      {sessions && sessions.length > 0 && (
        <SessionRows
          sessions={sessions}
          more={list.hasNextPage && !list.isFetchingNextPage && !list.error ? list.fetchNextPage : null}
          show={show}
          chosen={chosen}
          choose={choose}
        />
      )}
    </Page>
  );
}
