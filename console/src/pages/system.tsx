import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { System } from "../../../src/protocol/system.ts";
import { oneOptions } from "../api/resources.ts";
import { bytes, count } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { duration } from "../format/time.ts";
import { cx } from "../ui/cx.ts";
import { ProblemNotice } from "../ui/notice.tsx";
import { Table } from "../ui/table.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

/** How the server is. */
export function SystemPage() {
  const { data, error, refetch } = useQuery({ ...oneOptions<System>("/v1/system"), refetchInterval: 5_000 });
  if (error && !data)
    return (
      <Page title="System">
        <ProblemNotice error={error} retry={() => refetch()} />
      </Page>
    );
  if (!data) return <p className="p-4 text-muted">Loading…</p>;
  const { database, storage, queue, work, brains, sandbox_hosts, slow_statements, settings } = data;
  return (
    <Page title="System" actions={<span className="text-muted">Drover {data.version}</span>}>
      {error && <ProblemNotice error={error} retry={() => refetch()} />}
      <div className="grid gap-2 sm:grid-cols-2 lg:grid-cols-4">
        <Part name="Database" good>
          {database.version}, {bytes(database.size_bytes)}, {database.latency_ms.toFixed(1)} ms
        </Part>
        <Part name="File store" good={storage.status === "ok"}>
          {storage.status === "ok" ? `${bytes(storage.file_bytes)} in files` : "cannot be reached"}
        </Part>
        <Part name="Queue" good={queue.oldest_seconds < 10}>
          {queue.waiting === 0
            ? "nobody waits"
            : `${count(queue.waiting)} wait, the first for ${duration(queue.oldest_seconds * 1_000)}`}
        </Part>
        <Part name="Work of self-hosted environments" good={work.oldest_seconds < 60}>
          {count(work.waiting)} wait, {count(work.held)} held
        </Part>
      </div>
      <Section title="Brains">
        <Table
          head={["process", "version", "roles", "sessions", "started", "heard"]}
          rows={brains.map(({ id, version, roles, sessions, started_at, beat_at, answers }) => ({
            key: String(id),
            cells: [
              `${id}${answers ? " (answers you)" : ""}`,
              version,
              roles.join(", "),
              count(sessions),
              <Ago key="started" at={started_at} />,
              <Ago key="beat" at={beat_at} />,
            ],
          }))}
        />
      </Section>
      <Section title="Sandbox hosts">
        <Table
          head={["address", "status", "driver", "sandboxes", "egress", "heard"]}
          rows={sandbox_hosts.map((host) => ({
            key: host.address,
            cells: [
              visible(host.address),
              <span key="status" className={host.status === "up" ? "text-good" : "text-bad"}>
                {host.status}
              </span>,
              [host.driver, host.version].filter(Boolean).join(" "),
              `${host.sandboxes ?? "?"} of ${host.sandboxes_max ?? "?"}`,
              host.egress === null ? "" : host.egress ? "up" : "down",
              `${duration(host.unheard_seconds * 1_000)} ago`,
            ],
          }))}
        />
      </Section>
      <Section title="Slow statements">
        {slow_statements.length === 0 ? (
          <p className="text-muted">None has taken 200 ms or more since this process began.</p>
        ) : (
          <Table
            head={["statement", "times", "worst", "in all", "last"]}
            rows={slow_statements.map(({ name, text, count: times, worst_ms, total_ms, last_at }) => ({
              key: text,
              cells: [
                <details key="text">
                  <summary>{name}</summary>
                  <pre className="max-w-xl overflow-auto font-mono text-xs whitespace-pre-wrap">{text}</pre>
                </details>,
                count(times),
                duration(worst_ms),
                duration(total_ms),
                <Ago key="last" at={last_at} />,
              ],
            }))}
          />
        )}
      </Section>
      <Section title="Settings">
        <Table
          head={["setting", "value", "from"]}
          rows={settings.map(({ name, value, is_set, source }) => ({
            key: name,
            cells: [
              <span key="name" className="font-mono text-xs">
                {name}
              </span>,
              value === null ? (
                <span key="value" className="text-muted">
                  {is_set ? "set" : "not set"}
                </span>
              ) : (
                visible(value)
              ),
              source,
            ],
          }))}
        />
      </Section>
    </Page>
  );
}

const Part = ({ name, good, children }: { name: string; good: boolean; children: ReactNode }) => (
  <div className={cx("rounded-lg border bg-raised px-3 py-2", good ? "border-line" : "border-warn")}>
    <div className="text-muted">{name}</div>
    <div className={cx(!good && "text-warn")}>{children}</div>
  </div>
);

const Section = ({ title, children }: { title: string; children: ReactNode }) => (
  <section className="mt-6">
    <h2 className="mb-2 font-semibold">{title}</h2>
    {children}
  </section>
);
