import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import type { Session } from "../../../src/protocol/sessions.ts";
import { sessionOptions } from "../api/resources.ts";
import { money, short } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { type SessionTab, sessionTabs } from "../router.tsx";
import type { SessionLog } from "../session/session-log.ts";
import { tokensIn } from "../session/transcript.ts";
import { useSessionLog } from "../session/use-session-log.ts";
import { Id } from "../ui/copy.tsx";
import { cx } from "../ui/cx.ts";
import { Notice } from "../ui/notice.tsx";
import { Status } from "../ui/status.tsx";
import { useTitle } from "../ui/title.ts";
import { Missing } from "./missing.tsx";
import { Composer } from "./session/composer.tsx";
import { EventList } from "./session/event-list.tsx";
import { SessionDetails } from "./session/session-details.tsx";
import { SessionFiles } from "./session/session-files.tsx";
import { SessionMenu } from "./session/session-menu.tsx";
import { Threads } from "./session/threads.tsx";
import { TranscriptView } from "./session/transcript-view.tsx";
import { Waterfall } from "./session/waterfall.tsx";

const route = getRouteApi("/shell/sessions/$sessionId");

const names: Record<SessionTab, string> = {
  transcript: "Transcript",
  timeline: "Timeline",
  events: "Events",
  threads: "Threads",
  files: "Files",
  details: "Details",
};

/** What has changed is asked for when no other change has come for so long. */
const changedMs = 200;

/** In a narrow window the row of them is longer than it is. */
const inSight = (link: HTMLElement | null) => link?.scrollIntoView({ block: "nearest", inline: "nearest" });

export function SessionPage() {
  const { sessionId } = route.useParams();
  const { tab = "transcript" } = route.useSearch();
  const log = useSessionLog(sessionId);
  const session = useQuery({ ...sessionOptions(sessionId), refetchInterval: 5_000 });
  const { changed_by } = log.transcript;
  const { refetch } = session;
  useEffect(() => {
    if (changed_by === null) return;
    const timer = setTimeout(() => void refetch(), changedMs);
    return () => clearTimeout(timer);
  }, [changed_by, refetch]);
  const title = session.data?.title || session.data?.agent.name || "Session";
  useTitle(visible(title));
  // What was asked for again in vain has been there before.
  const problem = log.problem ?? (session.data ? null : session.error);
  if (problem) return <Missing what="session" error={problem} retry={() => location.reload()} />;
  const { usage } = log.transcript;
  return (
    <div className="flex h-[calc(100dvh-3.25rem)] flex-col md:h-dvh">
      <div className="border-line border-b px-4 pt-3">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <h1 className="min-w-0 basis-[calc(100%-6rem)] truncate text-base font-semibold md:basis-auto">
            {visible(title)}
          </h1>
          <Id id={sessionId} className="order-2 -ml-1 md:order-none md:ml-0" />
          <span className="order-2 md:order-none">{session.data && <Status session={session.data} />}</span>
          <span className="order-2 grow md:order-none" />
          {usage && (
            <span
              className="order-2 text-muted tabular-nums md:order-none"
              title="Tokens in and out, and cost at list prices"
            >
              {short(tokensIn(usage))} in · {short(usage.output_tokens)} out
              {usage.list_cost && ` · ${money(Number(usage.list_cost.amount))}`}
            </span>
          )}
          {/* Beside the title where there is no room beside the rest. */}
          <span className="order-1 ml-auto md:order-none">
            {session.data && <SessionMenu session={session.data} />}
          </span>
        </div>
        <nav aria-label="Views of the session" className="-mb-px mt-2 flex gap-4 overflow-x-auto">
          {sessionTabs.map((name) => (
            <Link
              key={name}
              from="/sessions/$sessionId"
              to="/sessions/$sessionId"
              search={{ tab: name === "transcript" ? undefined : name }}
              aria-current={name === tab ? "page" : undefined}
              ref={name === tab ? inSight : undefined}
              className={cx(
                "border-b-2 pb-2",
                name === tab ? "border-accent font-medium" : "border-transparent text-muted hover:text-ink",
              )}
            >
              {names[name]}
            </Link>
          ))}
        </nav>
      </div>
      {log.connection === "lost" && (
        <Notice tone="warn" className="m-2">
          The connection to the server is lost. What comes meanwhile is shown once it is back.
        </Notice>
      )}
      <div className="min-h-0 grow">{view(tab, log, sessionId, session.data)}</div>
      {tab === "transcript" && <Composer sessionId={sessionId} log={log} session={session.data} />}
    </div>
  );
}

function view(tab: SessionTab, log: SessionLog, sessionId: string, session: Session | undefined): ReactNode {
  switch (tab) {
    case "timeline":
      return <Waterfall spans={log.spans.spans} />;
    case "events":
      return <EventList events={log.events} told={log.told} sessionId={sessionId} />;
    case "threads":
      return <Threads sessionId={sessionId} />;
    case "files":
      return <SessionFiles sessionId={sessionId} />;
    case "details":
      return session && <SessionDetails session={session} spans={log.spans.spans} />;
    case "transcript":
      return <TranscriptView key={sessionId} log={log} sessionId={sessionId} />;
  }
}
