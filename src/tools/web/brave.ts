import { z } from "zod";
import { limits } from "../../limits.ts";
import type { SearchLocation } from "../../models/web-search.ts";
import { askProvider, resultsOf, type SearchProvider, withOperators } from "./search-provider.ts";

const answer = z.object({
  web: z
    .object({
      results: resultsOf(
        z.object({
          url: z.string(),
          title: z.string().nullish(),
          description: z.string().nullish(),
          extra_snippets: z.array(z.string()).nullish(),
          page_age: z.string().nullish(),
          age: z.string().nullish(),
        }),
      ),
    })
    .nullish(),
});

/** Results asked for: some are left out by the domain rules. */
const count = Math.min(20, limits.web_search_results_max * 2);

/** Brave's search API: https://api-dashboard.search.brave.com/app/documentation */
export function brave(settings: { url: string; key: string }): SearchProvider {
  const base = settings.url.endsWith("/") ? settings.url : `${settings.url}/`;
  return {
    name: "brave",
    timeout_ms: limits.web_search_ms,
    async search(query, signal) {
      const { location } = query;
      const url = new URL("res/v1/web/search", base);
      url.searchParams.set("q", withOperators(query));
      url.searchParams.set("count", String(count));
      url.searchParams.set("text_decorations", "false");
      url.searchParams.set("extra_snippets", "true");
      if (location?.country) url.searchParams.set("country", location.country);
      const headers = { "x-subscription-token": settings.key, ...locationHeaders(location) };
      const wrongKey = "see that DROVER_SEARCH_KEY is right";
      const advice = { 401: wrongKey, 403: wrongKey, 422: wrongKey, 429: "its limit is reached; try later" };
      const { web } = await askProvider({ url, headers, advice }, answer, signal);
      const found = (web?.results ?? []).map((result) => ({
        url: result.url,
        title: result.title ?? "",
        texts: [result.description ?? "", ...(result.extra_snippets ?? [])].filter((part) => part !== ""),
        age: result.page_age ?? result.age ?? null,
      }));
      return { found, web_searches: 1 };
    },
  };
}

/** Headers are Latin-1: what does not fit into it is left out. */
function locationHeaders(location: SearchLocation | null): Record<string, string> {
  const headers = {
    "x-loc-city": location?.city,
    "x-loc-state-name": location?.region,
    "x-loc-country": location?.country,
    "x-loc-timezone": location?.timezone,
  };
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value && /^[\x20-\x7e\xa0-\xff]+$/.test(value) ? [[name, value]] : [],
    ),
  );
}
