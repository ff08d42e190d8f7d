/** Marks words in what is shown without touching it. A browser that cannot do it shows them unmarked. */

const rangesMax = 1_000;

// What builds the style sheets does not know these names, and warns of them.
const looks = new CSSStyleSheet();
looks.replaceSync(`
  ::highlight(found) { background-color: light-dark(#fde68a, #6b4e0b); }
  ::highlight(found-now) { color: #16191b; background-color: #fb923c; }
`);
document.adoptedStyleSheets.push(looks);

function rangesIn(root: Element, wanted: string): Range[] {
  const ranges: Range[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = (node.nodeValue ?? "").toLowerCase();
    // What has another length in small letters has its words elsewhere.
    if (text.length !== node.nodeValue?.length) continue;
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + wanted.length);
      ranges.push(range);
      if (ranges.length === rangesMax) return ranges;
    }
  }
  return ranges;
}

/** All of them in `root`, and those in `current` more so; returns the first of these. */
export function highlight(root: Element, current: Element | null, wanted: string): Range | null {
  if (wanted === "" || !("highlights" in CSS)) return null;
  CSS.highlights.set("found", new Highlight(...rangesIn(root, wanted)));
  const now = current ? rangesIn(current, wanted) : [];
  CSS.highlights.set("found-now", new Highlight(...now));
  return now[0] ?? null;
}

export function endHighlight(): void {
  if (!("highlights" in CSS)) return;
  CSS.highlights.delete("found");
  CSS.highlights.delete("found-now");
}
