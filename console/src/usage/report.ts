import { queryOptions } from "@tanstack/react-query";
import type { Agent } from "../../../src/protocol/agents.ts";
import type { UsageReport } from "../../../src/protocol/usage.ts";
import { ask, type Query, send } from "../api/request.ts";
import { shortId } from "../format/text.ts";
import type { Span } from "./range.ts";

/** A report of the usage, of however many pages the API makes of it. */

/** Buckets on a page, as many as the API gives. */
const pageSize = { "1h": 168, "1d": 31 } as const;
/** More agents than this are shown by their ids. */
const agentPagesMax = 10;

export const queryOf = ({ from, to, width }: Span, group: string | null): Query => ({
  starting_at: new Date(from).toISOString(),
  ending_at: new Date(to).toISOString(),
  bucket_width: width,
  limit: pageSize[width],
  ...(group !== null && { group_by: [group] }),
});

export const usageOptions = (query: Query) =>
  queryOptions({
    queryKey: ["/v1/usage", query],
    queryFn: async ({ signal }) => {
      const buckets: UsageReport["data"] = [];
      for (let page: string | null = ""; page !== null; ) {
        const report: UsageReport = await ask("/v1/usage", { query: { ...query, page }, signal });
        buckets.push(...report.data);
        page = report.next_page;
      }
      return buckets;
    },
    // What has been looked at once is looked at anew with the page, not while it is read.
    staleTime: 60_000,
  });

/** The same as a table: the head of the first page, and the rows of all. */
export async function csvOf(query: Query): Promise<string> {
  let table = "";
  for (let page: string | null = ""; page !== null; ) {
    const response = await send("/v1/usage", { query: { ...query, page }, accept: "text/csv" });
    const text = await response.text();
    table += table === "" ? text : text.slice(text.indexOf("\n") + 1);
    page = response.headers.get("next-page");
  }
  return table;
}

/** What agents are called: those of one name by their ids, too. */
export const agentNamesOptions = queryOptions({
  queryKey: ["names of agents"],
  queryFn: async ({ signal }) => {
    const agents: Agent[] = [];
    let page: string | null = "";
    for (let n = 0; n < agentPagesMax && page !== null; n++) {
      const found: { data: Agent[]; next_page: string | null } = await ask("/v1/agents", {
        query: { limit: 100, include_archived: true, page },
        signal,
      });
      agents.push(...found.data);
      page = found.next_page;
    }
    const namesakes = Map.groupBy(agents, ({ name }) => name);
    return new Map(
      agents.map(({ id, name }) => [
        id,
        (namesakes.get(name)?.length ?? 0) > 1 ? `${name} (${shortId(id)})` : name,
      ]),
    );
  },
  staleTime: 60_000,
});
