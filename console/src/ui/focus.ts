import { type RefObject, useLayoutEffect } from "react";

/** The page's content, where whoever has nowhere else to go on is brought. */
export const content = () => document.getElementById("main");

/**
 * Whoever is in `place` by keyboard when it goes goes on at `next`, and not at the beginning of the page. What is disabled meanwhile
 * loses the focus before that: let it be busy instead.
 */
export function useGoOn<Place extends HTMLElement>(
  place: RefObject<Place | null>,
  next: (place: Place) => HTMLElement | null | undefined,
): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when it goes
  useLayoutEffect(() => {
    const element = place.current;
    return () => {
      if (!element?.contains(document.activeElement)) return;
      const target = next(element) ?? content();
      // While a dialog is open, and be it on its way out, nothing outside of it can have the focus.
      queueMicrotask(() => target?.focus({ preventScroll: true }));
    };
  }, []);
}

/** What there is to do in the row after this one, or before it. */
export function besideRow(element: HTMLElement): HTMLElement | null {
  const row = element.closest("tr, li");
  const other = row?.nextElementSibling ?? row?.previousElementSibling;
  return other?.querySelector<HTMLElement>("button, a, input") ?? null;
}
