import { useBlocker } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { tellUnsaved } from "../config/unsaved.ts";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";

/** Asks before changes are lost by going elsewhere; the browser asks where the page itself is left. */
export function LeaveGuard({
  isChanged,
  title = "Leave without saving?",
  children = "What you have changed here is not saved, and would be lost.",
}: {
  isChanged: () => boolean;
  title?: string;
  children?: ReactNode;
}) {
  useEffect(() => tellUnsaved(isChanged), [isChanged]);
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => current.pathname !== next.pathname && isChanged(),
    enableBeforeUnload: isChanged,
    withResolver: true,
  });
  return (
    <Dialog open={blocker.status === "blocked"} onClose={() => blocker.reset?.()} title={title}>
      <p>{children}</p>
      <div className="mt-4 flex gap-2">
        <Button look="primary" onClick={() => blocker.reset?.()}>
          Stay
        </Button>
        <Button look="danger" onClick={() => blocker.proceed?.()}>
          Leave, and lose it
        </Button>
      </div>
    </Dialog>
  );
}
