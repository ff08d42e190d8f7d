import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { DropdownMenu } from "radix-ui";
import { useRef, useState } from "react";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { ask } from "../../api/request.ts";
import { isWorking, stopAndArchive } from "../../session/actions.ts";
import { Button, buttonClass } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { BudgetForm } from "./budget-form.tsx";

const itemClass =
  "cursor-pointer rounded px-2 py-1.5 outline-none data-[disabled]:cursor-default data-[disabled]:opacity-50 data-[highlighted]:bg-sunken";

/** What is done with a whole session. */
export function SessionMenu({ session }: { session: Session }) {
  const path = `/v1/sessions/${session.id}`;
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<"budget" | "archive" | null>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const back = () => trigger.current;
  const fork = useMutation({
    mutationFn: () => ask<Session>(`${path}/fork`, { method: "POST", body: {} }),
    onSuccess: ({ id }) => navigate({ to: "/sessions/$sessionId", params: { sessionId: id } }),
  });
  const archive = useMutation({
    mutationFn: () => stopAndArchive(session.id),
    onSuccess() {
      setDialog(null);
      void queries.invalidateQueries();
    },
  });
  return (
    <>
      <DropdownMenu.Root modal={false}>
        <DropdownMenu.Trigger ref={trigger} className={buttonClass("plain")}>
          Actions
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content
            align="end"
            sideOffset={4}
            className="z-20 min-w-44 rounded-md border border-line bg-raised p-1 shadow-lg"
          >
            <DropdownMenu.Item className={itemClass} onSelect={() => fork.mutate()}>
              Fork
            </DropdownMenu.Item>
            <DropdownMenu.Item
              className={itemClass}
              disabled={session.budget === null}
              onSelect={() => setDialog("budget")}
            >
              Change the budget
            </DropdownMenu.Item>
            <DropdownMenu.Item
              className={`${itemClass} text-bad`}
              disabled={session.archived_at !== null}
              onSelect={() => setDialog("archive")}
            >
              Archive
            </DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
      {fork.error && <ProblemNotice error={fork.error} />}
      <Dialog
        open={dialog === "archive"}
        onClose={() => setDialog(null)}
        back={back}
        title="Archive this session?"
      >
        {archive.error && <ProblemNotice error={archive.error} />}
        <p>
          {isWorking(session) && "What it does is stopped. "}It ends for good: its sandbox goes, and it takes
          no more messages. What was said and its files stay.
        </p>
        <div className="mt-4 flex justify-end gap-2">
          <Button onClick={() => setDialog(null)}>Keep it</Button>
          <Button look="danger" busy={archive.isPending} onClick={() => archive.mutate()}>
            Archive
          </Button>
        </div>
      </Dialog>
      <Dialog
        open={dialog === "budget"}
        onClose={() => setDialog(null)}
        back={back}
        title="Change the budget"
      >
        <BudgetForm
          sessionId={session.id}
          suggested={Number(session.budget?.max_list_cost.amount ?? 0)}
          save="Save"
          onSaved={() => setDialog(null)}
        />
      </Dialog>
    </>
  );
}
