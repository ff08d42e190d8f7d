/** What is used of libraries that come without types of their own. */

declare module "@mixmark-io/domino" {
  export interface Element {
    readonly textContent: string | null;
    readonly parentNode: { removeChild(child: Element): void } | null;
    readonly parentElement: Element | null;
    querySelector(selectors: string): Element | null;
    querySelectorAll(selectors: string): ArrayLike<Element>;
    closest(selectors: string): Element | null;
    getAttribute(name: string): string | null;
    setAttribute(name: string, value: string): void;
    removeAttribute(name: string): void;
  }
  const domino: {
    createDocument(html: string): { body: Element; querySelector(selectors: string): Element | null };
  };
  export default domino;
}

declare module "@joplin/turndown-plugin-gfm" {
  import type { Plugin } from "turndown";

  const plugin: { gfm: Plugin };
  export default plugin;
}
