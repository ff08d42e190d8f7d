import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Agent } from "../../../src/protocol/agents.ts";
import { startScratch } from "../agent/scratch.ts";
import { ask } from "../api/request.ts";
import { oneOptions } from "../api/resources.ts";
import type { Body } from "../config/checked.ts";
import { visible } from "../format/text.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmButton } from "../ui/confirm.tsx";
import { Id } from "../ui/copy.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { AgentEditor } from "./agent/agent-editor.tsx";
import { Versions } from "./agent/versions.tsx";
import { Missing } from "./missing.tsx";
import { Page } from "./page.tsx";

const route = getRouteApi("/shell/agents/$agentId");

export function AgentPage() {
  const { agentId } = route.useParams();
  // Whoever goes to another agent begins with a page of its own.
  return <AgentView key={agentId} agentId={agentId} />;
}

function AgentView({ agentId }: { agentId: string }) {
  const path = `/v1/agents/${encodeURIComponent(agentId)}`;
  const queries = useQueryClient();
  const agent = useQuery(oneOptions<Agent>(path));
  const [saved, setSaved] = useState<number | null>(null);
  const [offered, setOffered] = useState<Body | null>(null);
  const navigate = useNavigate();
  const scratch = useMutation({
    mutationFn: () => startScratch(agentId),
    onSuccess: ({ id }) => navigate({ to: "/sessions/$sessionId", params: { sessionId: id } }),
  });
  if (!agent.data)
    return agent.error ? (
      <Missing what="agent" error={agent.error} retry={() => agent.refetch()} />
    ) : (
      <p className="p-4 text-muted">Loading…</p>
    );
  const { name, version, archived_at, updated_at } = agent.data;
  return (
    <Page
      title={visible(name)}
      actions={
        <>
          <Id id={agentId} />
          <span className="text-muted">
            version {version}, <Ago at={updated_at} />
          </span>
          <Link to="/sessions" search={{ agent_id: agentId }} className="text-accent underline">
            Its sessions
          </Link>
          {archived_at === null && (
            <>
              <Button busy={scratch.isPending} onClick={() => scratch.mutate()}>
                Try it
              </Button>
              <ConfirmButton
                label="Archive"
                title={`Archive ${visible(name)}?`}
                confirmLabel="Archive it"
                act={async () => {
                  const archived = await ask<Agent>(`${path}/archive`, { method: "POST", body: {} });
                  queries.setQueryData([path], archived);
                  void queries.invalidateQueries({ queryKey: ["/v1/agents"] });
                }}
              >
                <p>
                  It starts no more sessions and cannot be changed any more. Sessions that have it go on, and
                  its versions can still be read. This cannot be taken back.
                </p>
              </ConfirmButton>
            </>
          )}
        </>
      }
    >
      {scratch.error && (
        <div className="mb-3">
          <ProblemNotice error={scratch.error} />
        </div>
      )}
      {saved !== null && (
        <Notice className="mb-3">Saved as version {saved}. New sessions use it; “Try it” starts one.</Notice>
      )}
      {archived_at !== null && (
        <Notice tone="warn" className="mb-3">
          This agent was archived <Ago at={archived_at} />: it starts no more sessions, and cannot be changed.
        </Notice>
      )}
      <AgentEditor agent={agent.data} offered={offered} onSaved={({ version: made }) => setSaved(made)} />
      <Versions
        path={path}
        current={version}
        offer={
          archived_at === null
            ? (body) => {
                setOffered(body);
                setSaved(null);
                window.scrollTo({ top: 0 });
              }
            : null
        }
      />
    </Page>
  );
}
