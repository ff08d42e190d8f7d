import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { CredentialUseSummary } from "../../../../src/protocol/credential-uses.ts";
import { listOptions } from "../../api/resources.ts";
import { count } from "../../format/number.ts";
import { shortId, visible } from "../../format/text.ts";
import { More } from "../../ui/more.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";

const kinds: Record<CredentialUseSummary["kind"], string> = {
  environment_variable: "by a program",
  mcp: "by an MCP tool",
  oauth_refresh: "to renew it",
  repository: "by git",
};

/** Where a credential was used: sessions, hosts, how often and when. */
export function CredentialUses({ path }: { path: string }) {
  const uses = useInfiniteQuery(listOptions<CredentialUseSummary>(`${path}/uses`, { limit: 20 }));
  const [last] = uses.data ?? [];
  if (uses.error) return <ProblemNotice error={uses.error} retry={() => uses.refetch()} />;
  if (!uses.data) return null;
  if (!last) return <p className="text-muted">Not used in the last 90 days.</p>;
  return (
    <details>
      <summary>
        Last used <Ago at={last.last_used_at} />{" "}
        <span className="text-muted">
          toward {visible(last.host)}: {visible(last.last_outcome)}
        </span>
      </summary>
      <div className="mt-2">
        <Table
          head={[
            "Session",
            "Host",
            "How",
            { name: "Times", of: "numbers" },
            "First",
            "Last",
            "What came of the last",
          ]}
          rows={uses.data.map(
            ({ session_id, session_title, host, kind, count: times, last_outcome, ...at }) => ({
              key: `${session_id} ${kind} ${host}`,
              cells: [
                <Link
                  key="session"
                  to="/sessions/$sessionId"
                  params={{ sessionId: session_id }}
                  className="underline"
                >
                  {session_title ? (
                    visible(session_title)
                  ) : (
                    <span className="whitespace-nowrap font-mono text-xs">{shortId(session_id)}</span>
                  )}
                </Link>,
                host === "*" ? "several more" : visible(host),
                kinds[kind],
                count(times),
                <Ago key="first" at={at.first_used_at} />,
                <Ago key="last" at={at.last_used_at} />,
                <span key="outcome" className={last_outcome.startsWith("sent 2") ? "" : "text-warn"}>
                  {visible(last_outcome)}
                </span>,
              ],
            }),
          )}
        />
        <More list={uses} />
      </div>
    </details>
  );
}
