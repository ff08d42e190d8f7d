import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { Session, SessionStatus } from "../../../src/protocol/sessions.ts";
import { ask, type Query } from "./request.ts";

/** What pages show, each under the key by which it is looked at anew. */

interface Page<Item> {
  data: Item[];
  next_page: string | null;
}

/** A list that grows as it is scrolled. */
export const listOptions = <Item>(path: string, query: Query = {}) =>
  infiniteQueryOptions({
    queryKey: [path, query],
    queryFn: ({ pageParam, signal }) =>
      ask<Page<Item>>(path, { query: { limit: 100, ...query, page: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_page,
    select: ({ pages }) => pages.flatMap(({ data }) => data),
  });

export const oneOptions = <Item>(path: string) =>
  queryOptions({ queryKey: [path], queryFn: ({ signal }) => ask<Item>(path, { signal }) });

export interface SessionFilters {
  agent_id?: string;
  agent_version?: number;
  statuses?: SessionStatus[];
  include_archived?: boolean;
  order?: "asc" | "desc";
  created_after?: string;
  created_before?: string;
}

export const sessionOptions = (id: string) => oneOptions<Session>(`/v1/sessions/${encodeURIComponent(id)}`);
