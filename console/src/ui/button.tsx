import type { ComponentProps } from "react";
import { cx } from "./cx.ts";

const looks = {
  primary: "bg-accent text-on-accent hover:opacity-90",
  plain: "border border-line bg-raised hover:bg-sunken",
  quiet: "text-muted hover:bg-sunken hover:text-ink",
  danger: "border border-bad/40 bg-raised text-bad hover:bg-bad-soft",
} as const;
export type ButtonLook = keyof typeof looks;

export const buttonClass = (look: ButtonLook, className?: string): string =>
  cx(
    "inline-flex min-h-8 items-center justify-center gap-1.5 rounded-md px-3 py-1 font-medium whitespace-nowrap",
    "transition-colors disabled:cursor-default disabled:opacity-50 aria-disabled:cursor-default aria-disabled:opacity-50",
    looks[look],
    className,
  );

export type ButtonProps = ComponentProps<"button"> & { look?: ButtonLook; busy?: boolean };

/** While it is busy it does nothing more, and keeps the focus. */
export function Button({ look = "plain", busy = false, className, onClick, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={buttonClass(look, className)}
      aria-disabled={busy || undefined}
      aria-busy={busy}
      onClick={(event) => (busy ? event.preventDefault() : onClick?.(event))}
      {...rest}
    >
      {children}
    </button>
  );
}
