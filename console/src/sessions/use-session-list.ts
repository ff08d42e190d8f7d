import {
  type InfiniteData,
  infiniteQueryOptions,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useCallback, useRef } from "react";
import type { Session } from "../../../src/protocol/sessions.ts";
import { ask, type Query } from "../api/request.ts";
import type { SessionFilters } from "../api/resources.ts";
import { boundsOf, type Shown, stretchOf, withStretch } from "./stretch.ts";

interface Page {
  data: readonly Session[];
  next_page: string | null;
}
type Pages = InfiniteData<Page, string | null>;

const pageSize = 100;
const lookMs = 3_000;

const queryOf = ({ created_after, created_before, ...rest }: SessionFilters): Query => ({
  ...rest,
  limit: pageSize,
  "created_at[gte]": created_after,
  "created_at[lt]": created_before,
});

const allOf = ({ pages }: Pages): readonly Session[] => pages.flatMap(({ data }) => data);

/** Each page is asked for once. */
const optionsOf = (filters: SessionFilters) =>
  infiniteQueryOptions({
    queryKey: ["session list", filters],
    queryFn: ({ pageParam, signal }) =>
      ask<Page>("/v1/sessions", { query: { ...queryOf(filters), page: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last: Page) => last.next_page,
    select: allOf,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnMount: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    structuralSharing: false,
  });

/** The same sessions in as many pages: the first holds them, the last says what follows. */
const inPages = ({ pages, pageParams }: Pages, list: readonly Session[]): Pages => ({
  pages: pages.map(({ next_page }, n) => ({ data: n === 0 ? list : [], next_page })),
  pageParams,
});

/**
 * The sessions that these filters let through, page by page, of which those in sight are looked at anew while the window is
 * seen: one request each time, however long the list has become. `show` says which are in sight.
 */
export function useSessionList(filters: SessionFilters) {
  const queries = useQueryClient();
  const options = optionsOf(filters);
  const list = useInfiniteQuery(options);
  const shown = useRef<Shown>({ from: 0, to: 0 });
  const sight = useQuery({
    queryKey: ["session list in sight", filters],
    queryFn: async ({ signal }) => {
      const before = queries.getQueryData<Pages>(options.queryKey);
      if (!before) return null;
      const stretch = stretchOf(
        allOf(before),
        shown.current,
        filters.order ?? "desc",
        before.pages.at(-1)?.next_page === null,
      );
      const bounds = boundsOf(stretch);
      const query = { ...queryOf(filters) };
      for (const [name, value] of Object.entries(bounds)) if (value !== undefined) query[name] = value;
      const answer = await ask<Page>("/v1/sessions", { query, signal });
      queries.setQueryData<Pages>(options.queryKey, (now) => {
        if (!now) return now;
        const known = allOf(now);
        const after = withStretch(known, stretch, answer.data, answer.next_page === null);
        if (after === null) return { pages: [answer], pageParams: [null] };
        return after === known ? now : inPages(now, after);
      });
      return null;
    },
    enabled: list.isSuccess,
    refetchInterval: lookMs,
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });
  const show = useCallback((from: number, to: number) => {
    shown.current = { from, to };
  }, []);
  return {
    list,
    /** Why those in sight are not as they are now. */
    stale: sight.error,
    show,
    /** These are in it no more. */
    remove: (ids: ReadonlySet<string>) =>
      queries.setQueryData<Pages>(
        options.queryKey,
        (now) =>
          now &&
          inPages(
            now,
            allOf(now).filter(({ id }) => !ids.has(id)),
          ),
      ),
  };
}
