import type {
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart,
  SharedV4ProviderMetadata,
} from "@ai-sdk/provider";
import { z } from "zod";
import { type Findings, startFindings, type WebSearch, type WebSearched } from "../web-search.ts";

type Part = LanguageModelV4StreamPart;

/** What a request to search asks for beside the question. */
export type SearchOptions = Pick<LanguageModelV4CallOptions, "tools" | "toolChoice" | "providerOptions">;

const name = "web_search";

/** OpenAI's filters know domains alone: what a path leaves out, whoever asked has to. */
export function openaiSearch({ allowed_domains, blocked_domains, location }: WebSearch): SearchOptions {
  const filters = {
    ...(allowed_domains ? { allowedDomains: [...new Set(allowed_domains.map(domainOf))] } : {}),
    ...(blocked_domains ? { blockedDomains: blocked_domains.filter((entry) => !entry.includes("/")) } : {}),
  };
  const place = Object.fromEntries(Object.entries(location ?? {}).filter(([, value]) => value != null));
  const args = { filters, ...(location ? { userLocation: { type: "approximate", ...place } } : {}) };
  return {
    tools: [{ type: "provider", id: "openai.web_search", name, args }],
    toolChoice: { type: "tool", toolName: name },
    providerOptions: { openai: { maxToolCalls: 1 } },
  };
}

const domainOf = (entry: string) => entry.split("/", 1)[0] ?? entry;

/** Google's has no filters, and its calls cannot be forced. */
export const googleSearch = (): SearchOptions => ({
  tools: [{ type: "provider", id: "google.google_search", name, args: {} }],
});

/** What was found, from the parts of the answer's stream. */
export function startSearched() {
  const findings = startFindings();
  const texts = new Map<string, string>();

  return {
    take(part: Part): void {
      switch (part.type) {
        case "text-delta":
          texts.set(part.id, (texts.get(part.id) ?? "") + part.delta);
          return;
        case "text-end":
          takeCitations(findings, part.citations ?? [], texts.get(part.id) ?? "");
          return;
        case "source":
          if (part.sourceType === "url") findings.page(untagged(part.url), aboutPage(part.url, part.title));
          return;
        case "tool-result":
          if (part.isError) findings.failed(failedCall.safeParse(part.result).data?.status ?? "failed");
          else if (searchCall.safeParse(part.result).success) findings.searched();
          return;
        case "finish":
          takeGrounding(findings, part.providerMetadata);
      }
    },
    searched: (): WebSearched => findings.result(),
  };
}

const failedCall = z.object({ status: z.string() });
/** Not one that only opens a page. */
const searchCall = z.object({ action: z.object({ type: z.literal("search") }).optional() });

type Citations = NonNullable<Extract<Part, { type: "text-end" }>["citations"]>;

/** A citation stands at the end of what is said of the page, as a link. */
function takeCitations(findings: Findings, citations: Citations, text: string): void {
  for (const { source, startIndex = 0 } of citations) {
    if (source.sourceType !== "url") continue;
    const url = untagged(source.url);
    findings.page(url, { title: source.title });
    const from = text.lastIndexOf("\n", startIndex - 1) + 1;
    const to = text.indexOf("\n", startIndex);
    findings.text(url, withoutLinks(text.slice(from, to < 0 ? undefined : to)));
  }
}

const withoutLinks = (text: string) => text.replace(/\s*\(?\[[^\]\n]*\]\(https?:[^)\s]*\)\)?/g, "");

/** As the page itself is called: OpenAI says in addresses that they come from it. */
function untagged(address: string): string {
  if (!URL.canParse(address)) return address;
  const url = new URL(address);
  if (url.searchParams.get("utm_source") !== "openai") return address;
  url.searchParams.delete("utm_source");
  return url.href;
}

const grounding = z.object({
  webSearchQueries: z.array(z.string()).nullish(),
  groundingChunks: z
    .array(z.object({ web: z.object({ uri: z.string(), title: z.string().nullish() }).nullish() }))
    .nullish(),
  groundingSupports: z
    .array(
      z.object({
        segment: z.object({ text: z.string().nullish() }).nullish(),
        groundingChunkIndices: z.array(z.int()).nullish(),
      }),
    )
    .nullish(),
});

/** Google says which of its sources each part of the answer rests on. */
function takeGrounding(findings: Findings, metadata: SharedV4ProviderMetadata | undefined): void {
  const told = grounding.safeParse(metadata?.google?.groundingMetadata).data;
  if (!told) return;
  const urls = (told.groundingChunks ?? []).map(({ web }) => web?.uri ?? null);
  for (const { web } of told.groundingChunks ?? []) {
    if (web) findings.page(web.uri, aboutPage(web.uri, web.title));
  }
  for (const { segment, groundingChunkIndices } of told.groundingSupports ?? []) {
    for (const index of groundingChunkIndices ?? []) {
      const url = urls[index] ?? null;
      if (url !== null) findings.text(url, segment?.text ?? "");
    }
  }
  findings.searched(told.webSearchQueries?.length || (urls.length > 0 ? 1 : 0));
}

/** Google mostly names no page itself, but an address of its own that leads there, and the page's host as its title. */
function aboutPage(url: string, title: string | null | undefined) {
  const isRedirect = url.startsWith("https://vertexaisearch.cloud.google.com/");
  return isRedirect ? { title, site: siteIn(title ?? "") } : { title };
}

const siteIn = (title: string): string | null => (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(title) ? title : null);
