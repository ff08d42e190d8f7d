import { useState } from "react";
import { shortId } from "../format/text.ts";
import { cx } from "./cx.ts";

function useCopy(text: () => string): { copied: boolean; copy(): void } {
  const [copied, setCopied] = useState(false);
  return {
    copied,
    copy: () =>
      copyText(text()).then(
        () => {
          setCopied(true);
          setTimeout(() => setCopied(false), 1_500);
        },
        () => {},
      ),
  };
}

/** Over http browsers have no clipboard for scripts, but for what is selected. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  // Within the dialog, if one is open: all else cannot be selected then.
  const place = document.activeElement?.closest("dialog") ?? document.body;
  const before = document.activeElement;
  place.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  if (!copied) throw new Error("the browser copies nothing");
}

/** A short id; a click copies the whole one. */
export function Id({ id, className }: { id: string; className?: string }) {
  const { copied, copy } = useCopy(() => id);
  return (
    <button
      type="button"
      title={`${id}: copy`}
      onClick={copy}
      className={cx(
        "min-h-6 rounded px-1 font-mono text-xs whitespace-nowrap text-muted hover:bg-sunken hover:text-ink",
        className,
      )}
    >
      {copied ? "copied" : shortId(id)}
      <span className="sr-only"> copy</span>
    </button>
  );
}

export function CopyButton({ text, label }: { text: () => string; label: string }) {
  const { copied, copy } = useCopy(text);
  return (
    <button
      type="button"
      onClick={copy}
      className="rounded px-1.5 py-1 text-xs text-muted hover:bg-sunken hover:text-ink"
    >
      {copied ? "copied" : label}
    </button>
  );
}
