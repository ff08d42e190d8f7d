import gfm from "@joplin/turndown-plugin-gfm";
import domino, { type Element } from "@mixmark-io/domino";
import TurndownService from "turndown";

export interface Readable {
  title: string | null;
  text: string;
}

/** What is no text, or no text of the page's own. */
const chrome =
  "script, style, noscript, template, svg, canvas, iframe, object, embed, audio, video, dialog, button, input, select, textarea, [hidden], [aria-hidden=true]";
const surroundings = "nav, footer, aside, [role=navigation], [role=banner], [role=contentinfo]";

/** The main part counts as the page when it holds at least this share of its text. */
const main_share = 0.25;

/** A page as Markdown, its links absolute. `url` is where it came from. */
export function readableHtml(html: string, url: string): Readable {
  const document = domino.createDocument(html);
  const { body } = document;
  const title = oneLine(document.querySelector("title")?.textContent ?? "");
  const base = resolved(document.querySelector("base")?.getAttribute("href") ?? "", url) ?? url;
  remove(body, chrome);
  const main = mainPartOf(body);
  if (main === body && textLength(body) > 0) removeSurroundings(body);
  for (const [selector, attribute] of [
    ["a[href]", "href"],
    ["img[src]", "src"],
  ] as const) {
    for (const element of Array.from(main.querySelectorAll(selector))) {
      const address = resolved(element.getAttribute(attribute) ?? "", base);
      if (address === null) element.removeAttribute(attribute);
      else element.setAttribute(attribute, address);
    }
  }
  const turndown = new TurndownService({
    headingStyle: "atx",
    codeBlockStyle: "fenced",
    bulletListMarker: "-",
    hr: "---",
  });
  turndown.use(gfm.gfm);
  return {
    title: title || null,
    text: turndown.turndown(main as Parameters<typeof turndown.turndown>[0]).trim(),
  };
}

const textLength = ({ textContent }: { textContent: string | null }) => textContent?.trim().length ?? 0;

function mainPartOf(body: Element): Element {
  const articles = body.querySelectorAll("article");
  const main =
    body.querySelector("main, [role=main]") ?? (articles.length === 1 ? (articles[0] ?? null) : null);
  return main && textLength(main) >= textLength(body) * main_share ? main : body;
}

/** Unless nothing else is there. */
function removeSurroundings(body: Element): void {
  const all = textLength(body);
  const around = Array.from(body.querySelectorAll(surroundings)).filter(
    (element) => !element.parentElement?.closest(surroundings),
  );
  if (around.reduce((sum, element) => sum + textLength(element), 0) < all) remove(body, surroundings);
}

function remove(body: Element, selector: string): void {
  for (const element of Array.from(body.querySelectorAll(selector))) element.parentNode?.removeChild(element);
}

/** Null for what leads nowhere: scripts, inline data. */
function resolved(address: string, base: string): string | null {
  if (!URL.canParse(address, base)) return null;
  const { protocol, href } = new URL(address, base);
  return ["http:", "https:", "mailto:"].includes(protocol) ? href : null;
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();
