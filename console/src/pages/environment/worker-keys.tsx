import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { CreatedEnvironmentKey, EnvironmentKey } from "../../../../src/protocol/environment-keys.ts";
import { ask } from "../../api/request.ts";
import { listOptions } from "../../api/resources.ts";
import { shortId, visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";
import { ConfirmButton } from "../../ui/confirm.tsx";
import { CopyButton, Id } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Field, inputClass } from "../../ui/field.tsx";
import { More } from "../../ui/more.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";

/** The keys with which workers ask for the work of an environment. A new one is shown once. */
export function WorkerKeys({ environmentId }: { environmentId: string }) {
  const path = `/v1/environments/${encodeURIComponent(environmentId)}/keys`;
  const keys = useInfiniteQuery(listOptions<EnvironmentKey>(path));
  const [making, setMaking] = useState(false);
  return (
    <section className="mt-8">
      <div className="mb-2 flex items-center gap-2">
        <h2 className="grow font-semibold">Keys of workers</h2>
        <Button onClick={() => setMaking(true)}>New key</Button>
      </div>
      {keys.error && <ProblemNotice error={keys.error} retry={() => keys.refetch()} />}
      {keys.data && keys.data.length > 0 ? (
        <Table
          head={["Key", "Name", "Made", "Used", { name: "Actions", of: "acts" }]}
          rows={keys.data.map(({ id, name, created_at, last_used_at }) => ({
            key: id,
            cells: [
              <Id key="id" id={id} />,
              visible(name ?? ""),
              <Ago key="made" at={created_at} />,
              last_used_at ? <Ago key="used" at={last_used_at} /> : "never",
              <ConfirmButton
                key="revoke"
                label="Revoke"
                name={`Revoke ${name ? visible(name) : shortId(id)}`}
                title="Revoke this key?"
                confirmLabel="Revoke it"
                act={async () => {
                  await ask(`${path}/${id}`, { method: "DELETE" });
                  await keys.refetch();
                }}
              >
                <p>
                  Workers that ask with {name ? <b>{visible(name)}</b> : "it"} get no more work, at once. A
                  session that one of them has goes on when another worker takes it.
                </p>
              </ConfirmButton>,
            ],
          }))}
        />
      ) : (
        keys.data && (
          <p className="text-muted">
            A worker needs one: <code className="font-mono">drover worker</code>, or one of the SDK, asks with
            it for the sessions of this environment.
          </p>
        )
      )}
      <More list={keys} />
      <Dialog open={making} onClose={() => setMaking(false)} title="New key of a worker">
        <NewKey path={path} onMade={() => keys.refetch()} onClose={() => setMaking(false)} />
      </Dialog>
    </section>
  );
}

function NewKey({ path, onMade, onClose }: { path: string; onMade: () => void; onClose: () => void }) {
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () =>
      ask<CreatedEnvironmentKey>(path, { method: "POST", body: { name: name === "" ? null : name } }),
    onSuccess: onMade,
    // It is shown once, and not kept beyond that.
    gcTime: 0,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (create.data === undefined) create.mutate();
    else onClose();
  };
  const made = create.data;
  return (
    <form onSubmit={submit} className="space-y-3">
      {create.error && <ProblemNotice error={create.error} />}
      {made ? (
        <div role="status" className="space-y-2">
          <p>
            Copy it now: <b>it is shown this once</b>, and the server does not have it.
          </p>
          <p className="flex items-center gap-2 rounded-md border border-line bg-sunken p-2">
            <code className="min-w-0 grow break-all font-mono text-xs">{made.key}</code>
            <CopyButton label="copy" text={() => made.key} />
          </p>
          <p className="text-muted">
            The worker has it in <code className="font-mono">DROVER_ENVIRONMENT_KEY</code>.
          </p>
        </div>
      ) : (
        <Field label="Name" hint="Which worker it is for; it may be left out.">
          {(about) => (
            <input
              {...about}
              maxLength={256}
              className={inputClass}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
      )}
      <Button type="submit" look="primary" busy={create.isPending}>
        {made ? "Done" : "Make it"}
      </Button>
    </form>
  );
}
