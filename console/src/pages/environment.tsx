import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Environment } from "../../../src/protocol/environments.ts";
import { ask } from "../api/request.ts";
import { oneOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { ConfirmButton } from "../ui/confirm.tsx";
import { Id } from "../ui/copy.tsx";
import { Notice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { EnvironmentEditor } from "./environment/environment-editor.tsx";
import { WorkQueue } from "./environment/work-queue.tsx";
import { WorkerKeys } from "./environment/worker-keys.tsx";
import { Missing } from "./missing.tsx";
import { Page } from "./page.tsx";

const route = getRouteApi("/shell/environments/$environmentId");

export function EnvironmentPage() {
  const { environmentId } = route.useParams();
  return <EnvironmentView key={environmentId} environmentId={environmentId} />;
}

function EnvironmentView({ environmentId }: { environmentId: string }) {
  const path = `/v1/environments/${encodeURIComponent(environmentId)}`;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const environment = useQuery(oneOptions<Environment>(path));
  const [saved, setSaved] = useState(false);
  if (!environment.data)
    return environment.error ? (
      <Missing what="environment" error={environment.error} retry={() => environment.refetch()} />
    ) : (
      <p className="p-4 text-muted">Loading…</p>
    );
  const { name, archived_at, updated_at, config } = environment.data;
  const changed = () => queries.invalidateQueries({ queryKey: ["/v1/environments"] });
  return (
    <Page
      title={visible(name)}
      actions={
        <>
          <Id id={environmentId} />
          <span className="text-muted">
            changed <Ago at={updated_at} />
          </span>
          {archived_at === null && (
            <ConfirmButton
              label="Archive"
              title={`Archive ${visible(name)}?`}
              confirmLabel="Archive it"
              act={async () => {
                queries.setQueryData([path], await ask(`${path}/archive`, { method: "POST", body: {} }));
                await changed();
              }}
            >
              <p>
                It takes no more sessions and cannot be changed any more; those that have it go on. This
                cannot be taken back.
              </p>
            </ConfirmButton>
          )}
          <ConfirmButton
            label="Delete"
            title={`Delete ${visible(name)}?`}
            confirmLabel="Delete it"
            act={async () => {
              await ask(path, { method: "DELETE" });
              await changed();
              await navigate({ to: "/environments" });
            }}
          >
            <p>Only one that no session refers to can be deleted; any other one can be archived.</p>
          </ConfirmButton>
        </>
      }
    >
      {saved && <Notice className="mb-3">Saved. Sandboxes that start from now on are as it says.</Notice>}
      {archived_at !== null && (
        <Notice tone="warn" className="mb-3">
          This environment was archived <Ago at={archived_at} />: it takes no more sessions, and cannot be
          changed.
        </Notice>
      )}
      <EnvironmentEditor environment={environment.data} onSaved={() => setSaved(true)} />
      {config.type === "self_hosted" && (
        <>
          <WorkQueue environmentId={environmentId} />
          <WorkerKeys environmentId={environmentId} />
        </>
      )}
    </Page>
  );
}
