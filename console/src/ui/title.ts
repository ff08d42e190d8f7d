import { useEffect } from "react";

/** Names the window and its entry in the history. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Drover`;
  }, [title]);
}
