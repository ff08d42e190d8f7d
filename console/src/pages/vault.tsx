import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Credential } from "../../../src/protocol/credentials.ts";
import type { Vault } from "../../../src/protocol/vaults.ts";
import { ask } from "../api/request.ts";
import { listOptions, oneOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { WithArchived } from "../ui/archived.tsx";
import { Button } from "../ui/button.tsx";
import { ConfirmButton } from "../ui/confirm.tsx";
import { Id } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { More } from "../ui/more.tsx";
import { Empty, Notice, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { Missing } from "./missing.tsx";
import { Page } from "./page.tsx";
import { CredentialCard } from "./vault/credential-card.tsx";
import { NewCredential } from "./vault/new-credential.tsx";

const route = getRouteApi("/shell/vaults/$vaultId");

export function VaultPage() {
  const { vaultId } = route.useParams();
  const path = `/v1/vaults/${encodeURIComponent(vaultId)}`;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const vault = useQuery(oneOptions<Vault>(path));
  const [archived, setArchived] = useState(false);
  const credentials = useInfiniteQuery(
    listOptions<Credential>(`${path}/credentials`, archived ? { include_archived: true } : {}),
  );
  const [adding, setAdding] = useState(false);
  const error = vault.error ?? credentials.error;
  if (vault.error && !vault.data)
    return <Missing what="vault" error={vault.error} retry={() => vault.refetch()} />;
  const name = visible(vault.data?.display_name ?? "Vault");
  const isArchived = vault.data != null && vault.data.archived_at !== null;
  const changed = () =>
    Promise.all([credentials.refetch(), queries.invalidateQueries({ queryKey: ["/v1/vaults"] })]);
  return (
    <Page
      title={name}
      actions={
        vault.data && (
          <>
            <Id id={vaultId} />
            <WithArchived value={archived} onChange={setArchived} />
            {!isArchived && (
              <>
                <Button look="primary" onClick={() => setAdding(true)}>
                  Add a credential
                </Button>
                <ConfirmButton
                  label="Archive"
                  name={`Archive the vault ${name}`}
                  title={`Archive the vault ${name}?`}
                  confirmLabel="Archive it"
                  act={async () => {
                    queries.setQueryData([path], await ask(`${path}/archive`, { method: "POST", body: {} }));
                    await changed();
                  }}
                >
                  <p>
                    The secrets of all its credentials are destroyed, and new sessions cannot name it. Those
                    that have named it go on without. This cannot be taken back.
                  </p>
                </ConfirmButton>
              </>
            )}
            <ConfirmButton
              label="Delete"
              name={`Delete the vault ${name}`}
              title={`Delete the vault ${name}?`}
              confirmLabel="Delete it"
              act={async () => {
                await ask(path, { method: "DELETE" });
                void queries.invalidateQueries({ queryKey: ["/v1/vaults"] });
                await navigate({ to: "/vaults" });
              }}
            >
              <p>All its credentials are destroyed, and with them the record of what they were for.</p>
            </ConfirmButton>
          </>
        )
      }
    >
      {error && (
        <ProblemNotice
          error={error}
          retry={() => {
            void vault.refetch();
            void credentials.refetch();
          }}
        />
      )}
      {vault.data && vault.data.archived_at !== null && (
        <Notice tone="warn" className="mb-3">
          This vault was archived <Ago at={vault.data.archived_at} />: its secrets are destroyed.
        </Notice>
      )}
      {credentials.data?.length === 0 && !isArchived && (
        <Empty title="This vault is empty">
          What is put in can be replaced and destroyed, and never read. Sessions that name the vault use it:
          programs find a variable, and what is sent by it is put in on the way out.
          <div className="mt-4">
            <Button look="primary" onClick={() => setAdding(true)}>
              Add the first one
            </Button>
          </div>
        </Empty>
      )}
      <ul className="space-y-3">
        {credentials.data?.map((credential) => (
          <CredentialCard
            key={credential.id}
            vaultPath={path}
            credential={credential}
            onChanged={() => void changed()}
          />
        ))}
      </ul>
      <More list={credentials} />
      <Dialog open={adding} onClose={() => setAdding(false)} title="Add a credential">
        <NewCredential
          path={path}
          onMade={() => {
            setAdding(false);
            void changed();
          }}
        />
      </Dialog>
    </Page>
  );
}
