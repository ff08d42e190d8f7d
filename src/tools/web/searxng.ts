import { z } from "zod";
import { limits } from "../../limits.ts";
import { askProvider, resultsOf, type SearchProvider, withOperators } from "./search-provider.ts";

const answer = z.object({
  results: resultsOf(
    z.object({
      url: z.string(),
      title: z.string().nullish(),
      content: z.string().nullish(),
      publishedDate: z.string().nullish(),
    }),
  ),
});

/** SearXNG, asked for JSON: https://docs.searxng.org/dev/search_api.html */
export function searxng(settings: { url: string }): SearchProvider {
  const base = settings.url.endsWith("/") ? settings.url : `${settings.url}/`;
  return {
    name: "searxng",
    timeout_ms: limits.web_search_ms,
    async search(query, signal) {
      const { location } = query;
      const url = new URL("search", base);
      url.searchParams.set("q", withOperators(query));
      url.searchParams.set("format", "json");
      const language = location?.country ? languageOf(location.country) : null;
      if (language !== null) url.searchParams.set("language", language);
      const advice = { 403: "let its settings.yml have json among search.formats" };
      const { results } = await askProvider({ url, advice }, answer, signal);
      const found = results.map((result) => ({
        url: result.url,
        title: result.title ?? "",
        texts: result.content ? [result.content] : [],
        age: result.publishedDate ?? null,
      }));
      return { found, web_searches: 1 };
    },
  };
}

/** SearXNG knows where its user is only by a language, such as `de-DE`. */
function languageOf(country: string): string | null {
  const { language } = new Intl.Locale(`und-${country}`).maximize();
  return language && language !== "und" ? `${language}-${country}` : null;
}
