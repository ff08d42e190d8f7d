import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import type { Credential } from "../../../src/protocol/credentials.ts";
import type { Vault } from "../../../src/protocol/vaults.ts";
import { ask } from "../api/request.ts";
import { listOptions, oneOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { Button } from "../ui/button.tsx";
import { Id } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { More } from "../ui/more.tsx";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Table } from "../ui/table.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";
import { NewCredential } from "./vault/new-credential.tsx";

const route = getRouteApi("/shell/vaults/$vaultId");

export function VaultPage() {
  const { vaultId } = route.useParams();
  const path = `/v1/vaults/${encodeURIComponent(vaultId)}`;
  const vault = useQuery(oneOptions<Vault>(path));
  const credentials = useInfiniteQuery(listOptions<Credential>(`${path}/credentials`));
  const [adding, setAdding] = useState(false);
  const archive = useMutation({
    mutationFn: (id: string) => ask(`${path}/credentials/${id}/archive`, { method: "POST", body: {} }),
    onSuccess: () => credentials.refetch(),
  });
  const error = vault.error ?? credentials.error ?? archive.error;
  return (
    <Page
      title={visible(vault.data?.display_name ?? "Vault")}
      actions={
        <>
          <Id id={vaultId} />
          <Button look="primary" onClick={() => setAdding(true)}>
            Add a credential
          </Button>
        </>
      }
    >
      {error && <ProblemNotice error={error} />}
      {credentials.data?.length === 0 && (
        <Empty title="This vault is empty">
          What is put in can be replaced and destroyed, and never read. Sessions that name the vault use it.
        </Empty>
      )}
      {credentials.data && credentials.data.length > 0 && (
        <Table
          head={["credential", "kind", "for", "changed", ""]}
          rows={credentials.data.map(({ id, display_name, auth, updated_at }) => ({
            key: id,
            cells: [
              <div key="name">
                {visible(display_name ?? "")} <Id id={id} />
              </div>,
              kinds[auth.type],
              visible(targetOf(auth)),
              <Ago key="changed" at={updated_at} />,
              <Button
                key="archive"
                look="danger"
                title="Destroys the secret; the record stays"
                busy={archive.isPending && archive.variables === id}
                onClick={() => archive.mutate(id)}
              >
                Archive
              </Button>,
            ],
          }))}
        />
      )}
      <More list={credentials} />
      <Dialog open={adding} onClose={() => setAdding(false)} title="Add a credential">
        <NewCredential
          path={path}
          onMade={() => {
            setAdding(false);
            void credentials.refetch();
          }}
        />
      </Dialog>
    </Page>
  );
}

const kinds: Record<Credential["auth"]["type"], string> = {
  static_bearer: "token of an MCP server",
  mcp_oauth: "OAuth of an MCP server",
  environment_variable: "variable in sandboxes",
};

function targetOf(auth: Credential["auth"]): string {
  if (auth.type !== "environment_variable") return auth.mcp_server_url;
  const hosts = auth.networking.type === "limited" ? auth.networking.allowed_hosts.join(", ") : "any host";
  return `${auth.secret_name} at ${hosts}`;
}
