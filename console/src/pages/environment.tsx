import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import type { Environment } from "../../../src/protocol/environments.ts";
import { oneOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { Id } from "../ui/copy.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { EnvironmentEditor } from "./environment/environment-editor.tsx";
import { WorkQueue } from "./environment/work-queue.tsx";
import { WorkerKeys } from "./environment/worker-keys.tsx";
import { Page } from "./page.tsx";

const route = getRouteApi("/shell/environments/$environmentId");

export function EnvironmentPage() {
  const { environmentId } = route.useParams();
  const environment = useQuery(
    oneOptions<Environment>(`/v1/environments/${encodeURIComponent(environmentId)}`),
  );
  const [saved, setSaved] = useState(false);
  if (environment.error)
    return <ProblemNotice error={environment.error} retry={() => environment.refetch()} />;
  if (!environment.data) return <p className="p-4 text-muted">Loading…</p>;
  return (
    <Page title={visible(environment.data.name)} actions={<Id id={environmentId} />}>
      {saved && <Notice className="mb-3">Saved. Sandboxes that start from now on are as it says.</Notice>}
      {environment.data.archived_at ? (
        <Notice tone="warn">
          This environment is archived: it takes no more sessions, and cannot be changed.
        </Notice>
      ) : (
        <EnvironmentEditor
          key={environment.data.updated_at}
          environment={environment.data}
          onSaved={() => setSaved(true)}
        />
      )}
      {environment.data.config.type === "self_hosted" && (
        <>
          <WorkQueue environmentId={environmentId} />
          <WorkerKeys environmentId={environmentId} />
        </>
      )}
    </Page>
  );
}
