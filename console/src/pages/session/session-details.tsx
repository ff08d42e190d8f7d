import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { CredentialUse } from "../../../../src/protocol/credential-uses.ts";
import type { FileMetadata } from "../../../../src/protocol/files.ts";
import type { Sandbox } from "../../../../src/protocol/sandboxes.ts";
import type { RepositoryResource } from "../../../../src/protocol/session-resources.ts";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { listOptions, oneOptions } from "../../api/resources.ts";
import { bytes, count, money } from "../../format/number.ts";
import { shortId, visible } from "../../format/text.ts";
import { duration } from "../../format/time.ts";
import type { Span } from "../../session/spans.ts";
import { tokensIn } from "../../session/transcript.ts";
import { Id } from "../../ui/copy.tsx";
import { More } from "../../ui/more.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { TimeTable } from "./time-table.tsx";

/** What the session is made of, where its time went, its sandbox, and what it has used of credentials. */
export function SessionDetails({ session, spans }: { session: Session; spans: readonly Span[] }) {
  return (
    <Scroll className="h-full space-y-6 overflow-auto p-4">
      <About session={session} />
      <Section title="Time">
        <TimeTable spans={spans} />
      </Section>
      <SandboxState sessionId={session.id} />
      <Uses sessionId={session.id} />
    </Scroll>
  );
}

const Facts = ({ facts }: { facts: [string, ReactNode][] }) => (
  <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
    {facts.map(([name, value]) => (
      <div key={name} className="contents">
        <dt className="text-muted">{name}</dt>
        <dd className="min-w-0 break-words">{value}</dd>
      </div>
    ))}
  </dl>
);

const Section = ({ title, children }: { title: string; children: ReactNode }) => (
  <section>
    <h2 className="mb-2 font-semibold">{title}</h2>
    {children}
  </section>
);

function About({ session }: { session: Session }) {
  const { agent, environment_id, vault_ids, budget, stats, usage, forked_from, resources, metadata } =
    session;
  const facts: [string, ReactNode][] = [
    [
      "Agent",
      <Link key="agent" to="/agents/$agentId" params={{ agentId: agent.id }} className="underline">
        {visible(agent.name)}, version {agent.version}
      </Link>,
    ],
    ["Model", visible(agent.model.id)],
    [
      "Environment",
      <Link
        key="environment"
        to="/environments/$environmentId"
        params={{ environmentId: environment_id }}
        className="font-mono text-xs underline"
      >
        {shortId(environment_id)}
      </Link>,
    ],
    ["Began", <Ago key="began" at={session.created_at} />],
    ["Worked", `${duration(stats.active_seconds * 1_000)} of ${duration(stats.duration_seconds * 1_000)}`],
    [
      "Tokens",
      `${count(usage.input_tokens)} in, ${count(usage.cache_read_input_tokens)} from the cache, ${count(tokensIn(usage) - usage.input_tokens - usage.cache_read_input_tokens)} into it, ${count(usage.output_tokens)} out`,
    ],
    [
      "Cost",
      `${usage.list_cost ? money(Number(usage.list_cost.amount)) : "not known"}${budget ? ` of ${money(Number(budget.max_list_cost.amount))}` : ""}`,
    ],
  ];
  if (vault_ids.length > 0)
    facts.push([
      "Vaults",
      vault_ids.map((vaultId) => (
        <Link
          key={vaultId}
          to="/vaults/$vaultId"
          params={{ vaultId }}
          className="mr-2 font-mono text-xs underline"
        >
          {shortId(vaultId)}
        </Link>
      )),
    ]);
  if (forked_from)
    facts.push([
      "Forked from",
      <Link
        key="from"
        to="/sessions/$sessionId"
        params={{ sessionId: forked_from.session_id }}
        search={forked_from.event_id === null ? {} : { tab: "events", event: forked_from.event_id }}
        className="font-mono text-xs underline"
      >
        {shortId(forked_from.session_id)}
      </Link>,
    ]);
  for (const [key, value] of Object.entries(metadata)) facts.push([visible(key), visible(value)]);
  return (
    <Section title="Session">
      <Facts facts={facts} />
      {resources.length > 0 && (
        <div className="mt-3">
          <Table
            head={["Resource", "Kind", "At", { name: "Id", of: "acts" }]}
            rows={resources.map((resource) => ({
              key: resource.id,
              cells: [
                resource.type === "file" ? (
                  <FileOf key="file" id={resource.file_id} />
                ) : (
                  <span key="repository" className="break-all">
                    {visible(resource.url)}
                  </span>
                ),
                resource.type === "file" ? "file" : `repository${checkoutOf(resource)}`,
                visible(resource.mount_path),
                <Id key="id" id={resource.id} />,
              ],
            }))}
          />
        </div>
      )}
    </Section>
  );
}

/** By its name, where it is still there. */
function FileOf({ id }: { id: string }) {
  const { data } = useQuery({
    ...oneOptions<FileMetadata>(`/v1/files/${encodeURIComponent(id)}`),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  if (!data) return <Id id={id} />;
  return (
    <>
      <span className="break-words">{visible(data.filename)}</span>{" "}
      <span className="text-muted">{bytes(data.size_bytes)}</span>
    </>
  );
}

function checkoutOf({ checkout }: RepositoryResource): string {
  if (!checkout) return "";
  return checkout.type === "branch"
    ? `, branch ${visible(checkout.name)}`
    : `, commit ${checkout.sha.slice(0, 12)}`;
}

const words: Record<Sandbox["state"], string> = {
  none: "none yet",
  starting: "starting",
  running: "running",
  resting: "resting: the next call starts it again",
  ended: "ended",
  unknown: "not known: its host does not answer",
};

function SandboxState({ sessionId }: { sessionId: string }) {
  const { data, error, refetch } = useQuery({
    ...oneOptions<Sandbox>(`/v1/sessions/${encodeURIComponent(sessionId)}/sandbox`),
    refetchInterval: 5_000,
  });
  if (error) return <ProblemNotice error={error} retry={() => refetch()} />;
  if (!data) return null;
  const { state, since, host, resources, network, refused, refused_more } = data;
  const facts: [string, ReactNode][] = [
    [
      "State",
      <span key="state">
        {words[state]} {since && <Ago at={since} className="text-muted" />}
      </span>,
    ],
  ];
  if (host) facts.push(["Host", visible([host.id, host.driver].filter(Boolean).join(", "))]);
  if (resources)
    facts.push([
      "May use",
      [
        resources.cpu !== null && `${resources.cpu} cores`,
        `${bytes(resources.memory_bytes)} of memory`,
        resources.disk_bytes !== null && `${bytes(resources.disk_bytes)} of disk`,
        `${count(resources.processes)} processes`,
      ]
        .filter(Boolean)
        .join(", "),
    ]);
  if (network) facts.push(["May reach", reachOf(network)]);
  return (
    <Section title="Sandbox">
      <Facts facts={facts} />
      {refused.length > 0 && (
        <div className="mt-3">
          <Table
            head={["Refused connection", "Why", { name: "Times", of: "numbers" }, "Told"]}
            rows={refused.map(({ host: name, port, reason, count: times, at, tool_use_id }) => ({
              key: `${tool_use_id} ${name} ${port} ${reason}`,
              cells: [
                visible(`${name || "(unnamed)"}:${port}`),
                visible(reason),
                count(times),
                <Ago key="at" at={at} />,
              ],
            }))}
          />
          {refused_more && <p className="mt-1 text-muted">There were more.</p>}
        </div>
      )}
    </Section>
  );
}

function reachOf(network: NonNullable<Sandbox["network"]>): string {
  if (network.type === "none") return "nothing";
  if (network.type === "unrestricted") return "the internet";
  const hosts = network.hosts.map(visible).join(", ") || "no host";
  return network.package_managers ? `${hosts}, and the registries of package managers` : hosts;
}

function Uses({ sessionId }: { sessionId: string }) {
  const list = useInfiniteQuery(
    listOptions<CredentialUse>(`/v1/sessions/${encodeURIComponent(sessionId)}/audit`),
  );
  return (
    <Section title="Uses of credentials">
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && <p className="text-muted">None.</p>}
      {list.data && list.data.length > 0 && (
        <Table
          head={["Time", "Kind", "Credential", "Host", "Outcome", { name: "Times", of: "numbers" }]}
          rows={list.data.map(
            ({ id, created_at, kind, credential_id, resource_id, host, outcome, count: times }) => ({
              key: id,
              cells: [
                <Ago key="at" at={created_at} />,
                kind,
                <Id key="credential" id={credential_id ?? resource_id ?? ""} />,
                visible(host),
                outcome,
                count(times),
              ],
            }),
          )}
        />
      )}
      <More list={list} />
    </Section>
  );
}
