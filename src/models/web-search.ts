/** The web search that a vendor runs on its own servers: what it is asked for, and what has come of it. */

export interface WebSearch {
  /** Of the two lists, at most one is there. A provider that cannot keep to them finds more. */
  allowed_domains?: string[] | null;
  blocked_domains?: string[] | null;
  location: SearchLocation | null;
  /** Of the answer. */
  tokens_max: number;
}

/** Where the user is, about. */
export interface SearchLocation {
  city?: string | null;
  region?: string | null;
  country?: string | null;
  timezone?: string | null;
}

export interface WebSearched {
  /** Those with a text first. */
  pages: FoundPage[];
  /** Searches made, as the provider counts them. */
  requests: number;
  /** Why a search failed, in the provider's word. */
  error: string | null;
}

/** A page that was found. */
export interface FoundPage {
  url: string;
  title: string;
  /** Passages of the page, or what is said of it. */
  texts: string[];
  /** When it was published or last changed, in the provider's words. */
  age: string | null;
  /** The host of a page whose URL is only a redirect to it; null where the provider does not say. */
  site?: string | null;
}

/** Puts together what was found from what is said of it piece by piece. */
export function startFindings() {
  const pages = new Map<string, FoundPage>();
  let counted = 0;
  let reported: number | null = null;
  let error: string | null = null;

  return {
    page(
      url: string,
      about: { title?: string | null; age?: string | null; site?: string | null } = {},
    ): void {
      const known = pages.get(url) ?? { url, title: "", texts: [], age: null };
      pages.set(url, {
        ...known,
        title: known.title || (about.title ?? ""),
        age: known.age ?? about.age ?? null,
        ...(about.site === undefined ? {} : { site: about.site }),
      });
    },
    /** Only of a page that was found: a model could cite any other. */
    text(url: string, text: string): void {
      const trimmed = text.trim();
      const texts = pages.get(url)?.texts;
      if (trimmed !== "" && texts && !texts.includes(trimmed)) texts.push(trimmed);
    },
    searched(requests = 1): void {
      counted += requests;
    },
    /** The provider's own count, which holds. */
    reported(requests: number): void {
      reported = requests;
    },
    failed(why: string): void {
      error ??= why;
    },
    result(): WebSearched {
      const found = [...pages.values()];
      return {
        pages: [
          ...found.filter(({ texts }) => texts.length > 0),
          ...found.filter(({ texts }) => texts.length === 0),
        ],
        requests: reported ?? counted,
        error,
      };
    },
  };
}

export type Findings = ReturnType<typeof startFindings>;
