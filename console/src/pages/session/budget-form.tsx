import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ask } from "../../api/request.ts";
import { money } from "../../format/number.ts";
import type { SessionLog } from "../../session/session-log.ts";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";

/** What a session may cost, in a dialog or in a row; `suggested` in cents. */
export function BudgetForm({
  sessionId,
  suggested,
  row = false,
  save: word,
  onSaved,
}: {
  sessionId: string;
  suggested: number;
  row?: boolean;
  save: string;
  onSaved?: () => void;
}) {
  const queries = useQueryClient();
  const [dollars, setDollars] = useState(() => String(suggested / 100));
  const save = useMutation({
    mutationFn: () =>
      ask(`/v1/sessions/${encodeURIComponent(sessionId)}`, {
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
      onSaved?.();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const input = {
    type: "number",
    min: "0.01",
    step: "0.01",
    required: true,
    value: dollars,
    onChange: (event: { target: { value: string } }) => setDollars(event.target.value),
  } as const;
  const button = (
    <Button type="submit" look="primary" busy={save.isPending}>
      {word}
    </Button>
  );
  return (
    <form onSubmit={submit} className={row ? "flex flex-wrap items-center gap-2" : "space-y-3"}>
      {save.error && (
        <div className="basis-full">
          <ProblemNotice error={save.error} />
        </div>
      )}
      {row ? (
        <>
          <label className="flex items-center gap-2">
            <span>It may cost, in dollars</span>
            <input {...input} className="w-28 rounded-md border border-line bg-page px-2 py-1" />
          </label>
          {button}
        </>
      ) : (
        <>
          <Field label="It may cost, in dollars at list prices">
            {(props) => <input {...props} {...input} className={inputClass} />}
          </Field>
          {button}
        </>
      )}
    </form>
  );
}

/** It has stopped because it has cost what it may: what can be done about it stands beneath what says so. */
export function BudgetSpent({ log, sessionId }: { log: SessionLog; sessionId: string }) {
  const { spent, usage } = log.transcript;
  if (!spent) return null;
  const limit = Number(spent.max_list_cost.amount);
  const cost = Number(usage?.list_cost?.amount ?? limit);
  return (
    <section aria-label="The budget is spent" className="border-line border-t bg-warn-soft px-4 py-2">
      <div className="mx-auto flex max-w-4xl flex-wrap items-center justify-between gap-2">
        <span>
          It has cost {money(cost)} of {money(limit)} and takes no more messages. With a larger budget it goes
          on by itself.
        </span>
        <BudgetForm
          key={limit}
          row
          sessionId={sessionId}
          suggested={2 * Math.max(limit, cost)}
          save="Raise the budget"
        />
      </div>
    </section>
  );
}
