import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { listOptions } from "../../api/resources.ts";
import { visible } from "../../format/text.ts";
import { Status } from "../../ui/status.tsx";
import { Ago, Due } from "../../ui/time.tsx";
import { Nothing, Rows, Section } from "./section.tsx";

const lookMs = 4_000;
const rows = 20;

/** What is at work, the newest sessions first. */
export function Running() {
  const list = useInfiniteQuery({
    ...listOptions<Session>("/v1/sessions", { limit: rows, statuses: ["running", "rescheduling"] }),
    refetchInterval: lookMs,
  });
  return (
    <Section
      title="Runs now"
      list={list}
      aside={
        list.hasNextPage && (
          <Link to="/sessions" search={{ statuses: ["running", "rescheduling"] }} className="underline">
            All that run
          </Link>
        )
      }
    >
      {list.data?.length === 0 && (
        <Nothing>
          Nothing runs.{" "}
          <Link to="/agents" className="underline">
            Try an agent
          </Link>
          .
        </Nothing>
      )}
      <Rows>
        {list.data?.map((session) => {
          const { id, title, agent, updated_at, waiting_for } = session;
          return (
            <li key={id} className="px-3 py-2">
              <div className="flex items-baseline gap-3">
                <Link
                  to="/sessions/$sessionId"
                  params={{ sessionId: id }}
                  className="min-w-0 grow truncate font-medium hover:underline"
                >
                  {visible(title || agent.name)}
                </Link>
                <span className="text-muted">
                  last event <Ago at={updated_at} className="whitespace-nowrap" />
                </span>
              </div>
              <div className="flex flex-wrap gap-x-3 text-muted">
                {title && <span className="truncate">{visible(agent.name)}</span>}
                {waiting_for ? <span>{waits(waiting_for)}</span> : <Status session={session} />}
              </div>
            </li>
          );
        })}
      </Rows>
    </Section>
  );
}

function waits({ type, since, until }: NonNullable<Session["waiting_for"]>) {
  switch (type) {
    case "retry":
      return <>the model is asked again {until && <Due at={until} />}</>;
    case "worker":
      return (
        <>
          waits for a server, since <Ago at={since} />: look at the{" "}
          <Link to="/system" className="underline">
            system
          </Link>
        </>
      );
    case "upgrade":
      return "waits for a server of a newer version";
    default:
      return `waits for ${type.replaceAll("_", " ")}`;
  }
}
