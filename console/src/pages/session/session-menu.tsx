import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { DropdownMenu } from "radix-ui";
import { type FormEvent, useState } from "react";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { ask } from "../../api/request.ts";
import { Button, buttonClass } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Field, inputClass } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";

const itemClass =
  "cursor-pointer rounded px-2 py-1.5 outline-none data-[disabled]:cursor-default data-[disabled]:opacity-50 data-[highlighted]:bg-sunken";

/** What is done with a whole session. */
export function SessionMenu({ session }: { session: Session }) {
  const path = `/v1/sessions/${session.id}`;
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<"budget" | "archive" | null>(null);
  const fork = useMutation({
    mutationFn: () => ask<Session>(`${path}/fork`, { method: "POST", body: {} }),
    onSuccess: ({ id }) => navigate({ to: "/sessions/$sessionId", params: { sessionId: id } }),
  });
  const archive = useMutation({
    mutationFn: () => ask(`${path}/archive`, { method: "POST", body: {} }),
    onSuccess() {
      setDialog(null);
      void queries.invalidateQueries();
    },
  });
  return (
    <>
      <DropdownMenu.Root modal={false}>
        <DropdownMenu.Trigger className={buttonClass("plain")}>Actions</DropdownMenu.Trigger>
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
      <Dialog open={dialog === "archive"} onClose={() => setDialog(null)} title="Archive this session?">
        {archive.error && <ProblemNotice error={archive.error} />}
        <p>
          It ends for good: its sandbox goes, and it takes no more messages. What was said and its files stay.
        </p>
        <div className="mt-4 flex justify-end gap-2">
          <Button onClick={() => setDialog(null)}>Keep it</Button>
          <Button look="danger" busy={archive.isPending} onClick={() => archive.mutate()}>
            Archive
          </Button>
        </div>
      </Dialog>
      <Dialog open={dialog === "budget"} onClose={() => setDialog(null)} title="Change the budget">
        <BudgetForm session={session} onSaved={() => setDialog(null)} />
      </Dialog>
    </>
  );
}

function BudgetForm({ session, onSaved }: { session: Session; onSaved: () => void }) {
  const queries = useQueryClient();
  const [dollars, setDollars] = useState(() =>
    String(Number(session.budget?.max_list_cost.amount ?? 0) / 100),
  );
  const save = useMutation({
    mutationFn: () =>
      ask(`/v1/sessions/${session.id}`, {
        method: "POST",
        body: {
          budget: {
            type: "limit",
            max_list_cost: { amount: String(Math.round(Number(dollars) * 100)), currency: "USD" },
          },
        },
      }),
    onSuccess() {
      void queries.invalidateQueries();
      onSaved();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} className="space-y-3">
      {save.error && <ProblemNotice error={save.error} />}
      <Field label="It may cost, in dollars at list prices">
        {(props) => (
          <input
            {...props}
            type="number"
            min="0.01"
            step="0.01"
            required
            className={inputClass}
            value={dollars}
            onChange={(event) => setDollars(event.target.value)}
          />
        )}
      </Field>
      <Button type="submit" look="primary" busy={save.isPending}>
        Save
      </Button>
    </form>
  );
}
