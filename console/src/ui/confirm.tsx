import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useRef, useState } from "react";
import { Button, type ButtonLook } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { besideRow, useGoOn } from "./focus.ts";
import { ProblemNotice } from "./notice.tsx";

/** What cannot be taken back: the button asks first, and says what will be. */
export function ConfirmButton({
  label,
  name,
  title,
  confirmLabel,
  look = "danger",
  act,
  children,
}: {
  label: string;
  /** Of the button, where several have the same label. */
  name?: string;
  title: string;
  confirmLabel: string;
  look?: ButtonLook;
  act: () => Promise<unknown>;
  children: ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  useGoOn(place, besideRow);
  const acting = useMutation({ mutationFn: act, onSuccess: () => setOpen(false) });
  return (
    <div ref={place} className="contents">
      <Button
        look={look}
        aria-label={name}
        onClick={() => {
          acting.reset();
          setOpen(true);
        }}
      >
        {label}
      </Button>
      <Dialog open={open} onClose={() => setOpen(false)} title={title}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            acting.mutate();
          }}
        >
          <div className="space-y-2">{children}</div>
          {acting.error && (
            <div className="mt-3">
              <ProblemNotice error={acting.error} />
            </div>
          )}
          <div className="mt-4 flex gap-2">
            <Button type="submit" look={look === "danger" ? "danger" : "primary"} busy={acting.isPending}>
              {confirmLabel}
            </Button>
            <Button onClick={() => setOpen(false)}>Cancel</Button>
          </div>
        </form>
      </Dialog>
    </div>
  );
}
