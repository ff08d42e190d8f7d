import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Environment } from "../../../src/protocol/environments.ts";
import { listOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { WithArchived } from "../ui/archived.tsx";
import { Id } from "../ui/copy.tsx";
import { LinkButton } from "../ui/link-button.tsx";
import { More } from "../ui/more.tsx";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

export function EnvironmentsPage() {
  const [archived, setArchived] = useState(false);
  const list = useInfiniteQuery(
    listOptions<Environment>("/v1/environments", archived ? { include_archived: true } : {}),
  );
  const create = (
    <LinkButton to="/environments/new" look="primary">
      New environment
    </LinkButton>
  );
  return (
    <Page
      title="Environments"
      actions={
        <>
          <WithArchived value={archived} onChange={setArchived} />
          {create}
        </>
      }
    >
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && !archived && (
        <Empty title="No environments yet">
          An environment says where the tools of a session run, what they find there, and what they may reach.
          One without any settings is a sandbox of this server that reaches everything.
          <div className="mt-4">{create}</div>
        </Empty>
      )}
      <ul className="divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">
        {list.data?.map(({ id, name, config, updated_at, archived_at }) => (
          <li key={id} className="flex items-center gap-3 px-3 py-2 hover:bg-sunken">
            <div className="min-w-0 grow">
              <Link
                to="/environments/$environmentId"
                params={{ environmentId: id }}
                className="block truncate font-medium"
              >
                {visible(name)}
              </Link>
              <Id id={id} className="-ml-1" />
            </div>
            <span className="text-muted">
              {archived_at !== null && "archived, "}
              {config.type === "self_hosted" ? "your own workers" : `network ${config.networking.type}`}
            </span>
            <Ago at={updated_at} className="hidden w-24 text-right text-muted md:block" />
          </li>
        ))}
      </ul>
      <More list={list} />
    </Page>
  );
}
