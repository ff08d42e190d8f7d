import { type ReactNode, useEffect, useId, useRef } from "react";

/** The browser's own dialog: it keeps the focus, ends by Escape, and needs no styles that the security policy forbids. */
export function Dialog({
  open,
  onClose,
  back,
  title,
  children,
}: {
  open: boolean;
  onClose: () => void;
  /** Where one goes on, if what opened it is gone by then. */
  back?: () => HTMLElement | null;
  title: string;
  children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (open && dialog && !dialog.open) dialog.showModal();
    if (!open) dialog?.close();
  }, [open]);
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      // It closes once the page knows, and not before: who presses the next key at once may open it again.
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        event.preventDefault();
        onClose();
      }}
      onClose={() => {
        if (ref.current?.open) return;
        if (open) onClose();
        back?.()?.focus();
      }}
      className="w-[calc(100%-1.5rem)] max-w-lg rounded-lg border border-line bg-raised p-0 text-ink shadow-xl backdrop:bg-black/40"
    >
      {open && (
        <div className="p-4">
          <h2 id={titleId} className="text-base font-semibold">
            {title}
          </h2>
          <div className="mt-3">{children}</div>
        </div>
      )}
    </dialog>
  );
}
