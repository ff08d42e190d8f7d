import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Agent } from "../../../src/protocol/agents.ts";
import { agentFields } from "../agent/agent-config.ts";
import { startScratch } from "../agent/scratch.ts";
import { listOptions, oneOptions } from "../api/resources.ts";
import { bodyOf, written } from "../config/checked.ts";
import { visible } from "../format/text.ts";
import { Button } from "../ui/button.tsx";
import { Id } from "../ui/copy.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { AgentEditor } from "./agent/agent-editor.tsx";
import { Difference } from "./agent/difference.tsx";
import { Page } from "./page.tsx";

const route = getRouteApi("/shell/agents/$agentId");

export function AgentPage() {
  const { agentId } = route.useParams();
  const path = `/v1/agents/${encodeURIComponent(agentId)}`;
  const agent = useQuery(oneOptions<Agent>(path));
  const [saved, setSaved] = useState<number | null>(null);
  const navigate = useNavigate();
  const scratch = useMutation({
    mutationFn: () => startScratch(agentId),
    onSuccess: ({ id }) => navigate({ to: "/sessions/$sessionId", params: { sessionId: id } }),
  });
  if (agent.error) return <ProblemNotice error={agent.error} retry={() => agent.refetch()} />;
  if (!agent.data) return <p className="p-4 text-muted">Loading…</p>;
  return (
    <Page
      title={visible(agent.data.name)}
      actions={
        <>
          <Id id={agentId} />
          <Link to="/sessions" search={{ agent_id: agentId }} className="text-accent underline">
            Its sessions
          </Link>
          <Button busy={scratch.isPending} onClick={() => scratch.mutate()}>
            Try it
          </Button>
        </>
      }
    >
      {scratch.error && <ProblemNotice error={scratch.error} />}
      {saved !== null && <Notice className="mb-3">Saved as version {saved}. New sessions use it.</Notice>}
      {agent.data.archived_at ? (
        <Notice tone="warn">
          This agent is archived: it starts no more sessions, and cannot be changed.
        </Notice>
      ) : (
        <AgentEditor
          key={agent.data.version}
          agent={agent.data}
          onSaved={({ version }) => setSaved(version)}
        />
      )}
      <Versions path={path} />
    </Page>
  );
}

function Versions({ path }: { path: string }) {
  const versions = useInfiniteQuery(listOptions<Agent>(`${path}/versions`));
  const [chosen, setChosen] = useState<number | null>(null);
  const all = versions.data ?? [];
  const place = all.findIndex(({ version }) => version === chosen);
  const shown = all[place];
  const before = all[place + 1];
  return (
    <section className="mt-8">
      <h2 className="mb-2 font-semibold">Versions</h2>
      <ul className="flex flex-wrap gap-1">
        {all.map(({ version, updated_at }) => (
          <li key={version}>
            <Button
              aria-pressed={version === chosen}
              onClick={() => setChosen(version === chosen ? null : version)}
            >
              v{version} <Ago at={updated_at} className="text-muted" />
            </Button>
          </li>
        ))}
      </ul>
      {shown && (
        <Difference
          before={before ? written(bodyOf(before, agentFields)) : ""}
          after={written(bodyOf(shown, agentFields))}
          label={before ? `What version ${shown.version} changed` : `Version ${shown.version}`}
        />
      )}
    </section>
  );
}
