import { useBlocker } from "@tanstack/react-router";
import { useEffect } from "react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { tellUnsaved } from "./unsaved.ts";

/** Asks before changes are lost by going elsewhere; the browser asks where the page itself is left. */
export function LeaveGuard({ isChanged }: { isChanged: () => boolean }) {
  useEffect(() => tellUnsaved(isChanged), [isChanged]);
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => current.pathname !== next.pathname && isChanged(),
    enableBeforeUnload: isChanged,
    withResolver: true,
  });
  return (
    <Dialog
      open={blocker.status === "blocked"}
      onClose={() => blocker.reset?.()}
      title="Leave without saving?"
    >
      <p>What you have changed here is not saved, and would be lost.</p>
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
