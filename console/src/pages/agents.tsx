import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Agent } from "../../../src/protocol/agents.ts";
import { listOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { WithArchived } from "../ui/archived.tsx";
import { Id } from "../ui/copy.tsx";
import { LinkButton } from "../ui/link-button.tsx";
import { More } from "../ui/more.tsx";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

export function AgentsPage() {
  const [archived, setArchived] = useState(false);
  const list = useInfiniteQuery(listOptions<Agent>("/v1/agents", archived ? { include_archived: true } : {}));
  const create = (
    <LinkButton to="/agents/new" look="primary">
      New agent
    </LinkButton>
  );
  return (
    <Page
      title="Agents"
      actions={
        <>
          <WithArchived value={archived} onChange={setArchived} />
          {create}
        </>
      }
    >
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && !archived && (
        <Empty title="No agents yet">
          An agent is a model with its instructions and tools. Make one, save it, and try it: the simulated
          model needs no key. <div className="mt-4">{create}</div>
        </Empty>
      )}
      <ul className="divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">
        {list.data?.map((agent) => (
          <li key={agent.id} className="flex items-center gap-3 px-3 py-2 hover:bg-sunken">
            <div className="min-w-0 grow">
              <Link
                to="/agents/$agentId"
                params={{ agentId: agent.id }}
                className="block truncate font-medium"
              >
                {visible(agent.name)}
              </Link>
              <div className="flex gap-2 text-muted">
                <Id id={agent.id} className="-ml-1" />
                <span className="truncate">{visible(agent.model.id)}</span>
              </div>
            </div>
            {agent.archived_at !== null && <span className="text-muted">archived</span>}
            <span className="text-muted tabular-nums">v{agent.version}</span>
            <Ago at={agent.updated_at} className="hidden w-24 text-right text-muted md:block" />
          </li>
        ))}
      </ul>
      <More list={list} />
    </Page>
  );
}
