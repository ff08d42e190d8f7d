import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import type { Vault } from "../../../src/protocol/vaults.ts";
import { ask } from "../api/request.ts";
import { listOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { WithArchived } from "../ui/archived.tsx";
import { Button } from "../ui/button.tsx";
import { Id } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field, inputClass } from "../ui/field.tsx";
import { More } from "../ui/more.tsx";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

export function VaultsPage() {
  const [archived, setArchived] = useState(false);
  const list = useInfiniteQuery(listOptions<Vault>("/v1/vaults", archived ? { include_archived: true } : {}));
  const [making, setMaking] = useState(false);
  const create = (
    <Button look="primary" onClick={() => setMaking(true)}>
      New vault
    </Button>
  );
  return (
    <Page
      title="Vaults"
      actions={
        <>
          <WithArchived value={archived} onChange={setArchived} />
          {create}
        </>
      }
    >
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && !archived && (
        <Empty title="No vaults yet">
          A vault holds credentials that sessions use and never see: for MCP servers, for hosts that commands
          call, for git. Nobody can read one back.
        </Empty>
      )}
      <ul className="divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">
        {list.data?.map(({ id, display_name, updated_at, archived_at }) => (
          <li key={id} className="flex items-center gap-3 px-3 py-2 hover:bg-sunken">
            <div className="min-w-0 grow">
              <Link to="/vaults/$vaultId" params={{ vaultId: id }} className="block truncate font-medium">
                {visible(display_name)}
              </Link>
              <Id id={id} className="-ml-1" />
            </div>
            {archived_at !== null && <span className="text-muted">archived</span>}
            <Ago at={updated_at} className="text-muted" />
          </li>
        ))}
      </ul>
      <More list={list} />
      <Dialog open={making} onClose={() => setMaking(false)} title="New vault">
        <NewVault />
      </Dialog>
    </Page>
  );
}

function NewVault() {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () => ask<Vault>("/v1/vaults", { method: "POST", body: { display_name: name } }),
    onSuccess: ({ id }) => navigate({ to: "/vaults/$vaultId", params: { vaultId: id } }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <form onSubmit={submit} className="space-y-3">
      {create.error && <ProblemNotice error={create.error} />}
      <Field label="Name" hint="Whose it is, or what it is for.">
        {(props) => (
          <input
            {...props}
            required
            maxLength={255}
            className={inputClass}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <Button type="submit" look="primary" busy={create.isPending}>
        Create
      </Button>
    </form>
  );
}
