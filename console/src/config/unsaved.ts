/** What somebody has changed on a page and is saved nowhere yet: each page that can have such says whether it has. */
const pages = new Set<() => boolean>();

export const isUnsaved = (): boolean => [...pages].some((isChanged) => isChanged());

/** Until what it answers is called. */
export function tellUnsaved(isChanged: () => boolean): () => void {
  pages.add(isChanged);
  return () => pages.delete(isChanged);
}
