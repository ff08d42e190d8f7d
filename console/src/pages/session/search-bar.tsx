import { type KeyboardEvent, type RefObject, useEffect, useRef } from "react";
import { flushSync } from "react-dom";
import { count } from "../../format/number.ts";
import { Button } from "../../ui/button.tsx";
import { useGoOn } from "../../ui/focus.ts";

const isWriting = ({ target }: { target: EventTarget | null }) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** "/", and what browsers search a page by: of this one they would find only what is in sight. Asked twice, the browser does. */
export function useSearchKeys(input: RefObject<HTMLInputElement | null>, open: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: globalThis.KeyboardEvent) => {
      const finds = (event.ctrlKey || event.metaKey) && !event.altKey && event.key === "f";
      const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !isWriting(event);
      if ((!finds && !slash) || document.querySelector("dialog[open]")) return;
      if (finds && input.current !== null && document.activeElement === input.current) return;
      event.preventDefault();
      // It may only now be there, and what is typed next is for it.
      flushSync(open);
      input.current?.focus();
      input.current?.select();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [input, open]);
}

/** What is searched for, where one is, and the ways on. */
export function SearchBar({
  input,
  label,
  text,
  onText,
  at,
  found,
  of,
  step,
  close,
  back,
}: {
  input: RefObject<HTMLInputElement | null>;
  label: string;
  text: string;
  onText: (text: string) => void;
  /** From 0; less while none is chosen. */
  at: number;
  found: number;
  /** How many events it is searched in so far. */
  of: number;
  step: (by: 1 | -1) => void;
  close: () => void;
  /** Where one goes on once it is closed. */
  back: () => HTMLElement | null;
}) {
  const bar = useRef<HTMLElement>(null);
  useGoOn(bar, back);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
  };
  return (
    <search ref={bar} className="flex flex-wrap items-center gap-2 border-line border-b bg-raised p-2">
      <input
        ref={input}
        type="search"
        aria-label={label}
        placeholder="Search"
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={onKeyDown}
        className="min-w-32 grow rounded-md border border-line bg-page px-2 py-1"
      />
      <span className="text-muted tabular-nums" role="status">
        {text.trim() === ""
          ? `in ${count(of)} events`
          : found === 0
            ? `not in ${count(of)} events`
            : `${count(Math.max(0, at) + 1)} of ${count(found)}`}
      </span>
      <Button aria-label="The one before" disabled={found === 0} onClick={() => step(-1)}>
        ↑
      </Button>
      <Button aria-label="The next one" disabled={found === 0} onClick={() => step(1)}>
        ↓
      </Button>
      <Button look="quiet" aria-label="Close the search" onClick={close}>
        ✕
      </Button>
    </search>
  );
}
