import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { System } from "../../../src/protocol/system.ts";
import { isAway, Problem } from "../api/request.ts";
import { oneOptions } from "../api/resources.ts";
import { count } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { duration } from "../format/time.ts";
import { type Health, healthOf, isSilent, type Part, partAway } from "../system/health.ts";
import { cx } from "../ui/cx.ts";
import { inputClass } from "../ui/field.tsx";
import { LinkButton } from "../ui/link-button.tsx";
import { Empty, Notice, ProblemNotice } from "../ui/notice.tsx";
import { Table } from "../ui/table.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

const lookMs = 5_000;

/** How the server is: for those who run it. */
export function SystemPage() {
  const { data, error, refetch } = useQuery({
    ...oneOptions<System>("/v1/system"),
    refetchInterval: ({ state }) => (isForbidden(state.error) ? false : lookMs),
  });
  if (isForbidden(error))
    return (
      <Page title="System">
        <Empty title="This is for who runs the server">
          How the server is, only keys of the administrator's workspace may ask; yours is of another one. What
          your workspace has used is on the page of its usage.
          <div className="mt-4">
            <LinkButton to="/usage">Usage</LinkButton>
          </div>
        </Empty>
      </Page>
    );
  const away = error instanceof Problem ? partAway(error.status) : null;
  if (!data)
    return (
      <Page title="System">
        {away && <Parts parts={[away]} />}
        {error ? (
          <div className="mt-3">
            <ProblemNotice error={error} retry={() => refetch()} />
          </div>
        ) : (
          <p className="text-muted">Loading…</p>
        )}
      </Page>
    );
  return (
    <Page title="System" actions={<span className="text-muted">Drover {data.version}</span>}>
      {error && !isAway(error) && (
        <Notice tone="warn" className="mb-3">
          The server has not answered just now ({visible(error.message)}): what stands here is from before. It
          is asked again by itself.
        </Notice>
      )}
      <Parts parts={healthOf(data)} away={away} stale={error !== null} />
      <Processes system={data} />
      <Hosts system={data} />
      <SlowStatements system={data} />
      <Settings settings={data.settings} />
    </Page>
  );
}

const isForbidden = (error: unknown) => error instanceof Problem && error.status === 403;

const looks: Record<Health, [border: string, text: string, word: string]> = {
  good: ["border-line", "text-good", "well"],
  warn: ["border-warn", "text-warn", "look at it"],
  bad: ["border-bad", "text-bad", "not well"],
};

/** Before the others the one that keeps them from being asked after. */
function Parts({
  parts,
  away = null,
  stale = false,
}: {
  parts: readonly Part[];
  away?: Part | null;
  stale?: boolean;
}) {
  return (
    <ul aria-label="Parts" className="grid gap-2 sm:grid-cols-2 lg:grid-cols-4">
      {away && <PartCard part={away} />}
      {parts
        .filter(({ name }) => name !== away?.name)
        .map((part) => (
          <PartCard key={part.name} part={part} stale={stale} />
        ))}
    </ul>
  );
}

function PartCard({ part: { name, health, says, todo }, stale = false }: { part: Part; stale?: boolean }) {
  const [border, color, word] = looks[health];
  return (
    <li
      className={cx(
        "min-w-0 rounded-lg border bg-raised px-3 py-2",
        stale ? "border-line border-dashed" : border,
      )}
    >
      <div className="flex items-baseline justify-between gap-2">
        <h2 className="font-medium">{name}</h2>
        <span className={cx("text-xs whitespace-nowrap", stale ? "text-muted" : color)}>
          <span aria-hidden="true">● </span>
          {stale ? `before: ${word}` : word}
        </span>
      </div>
      <p className="break-words text-muted">{visible(says)}</p>
      {todo && <p className="mt-1 break-words">{visible(todo)}</p>}
    </li>
  );
}

function Processes({ system }: { system: System }) {
  return (
    <Section title="Processes of drover serve">
      <Table
        head={["Process", "Version", "Roles", { name: "Sessions", of: "numbers" }, "Started", "Heard of"]}
        rows={system.brains.map(({ id, version, roles, sessions, started_at, beat_at, answers }) => ({
          key: String(id),
          cells: [
            `${id}${answers ? " (answers you)" : ""}`,
            version,
            roles.join(", "),
            count(sessions),
            <Ago key="started" at={started_at} />,
            <span key="beat" className={cx(isSilent(system, beat_at) && "text-bad")}>
              <Ago at={beat_at} />
            </span>,
          ],
        }))}
      />
      <p className="mt-1 text-xs text-muted">
        {count(system.queue.waiting)} in the queue
        {system.queue.waiting > 0 && `, the first for ${duration(system.queue.oldest_seconds * 1_000)}`}.
        Sessions that rest need no process.
      </p>
    </Section>
  );
}

function Hosts({ system }: { system: System }) {
  return (
    <Section title="Sandbox hosts">
      {system.sandbox_hosts.length === 0 ? (
        <p className="text-muted">None is connected.</p>
      ) : (
        <Table
          head={[
            "Address",
            "Status",
            "Driver",
            { name: "Sandboxes", of: "numbers" },
            { name: "In use", of: "numbers" },
            { name: "Room", of: "numbers" },
            "Egress",
            "Workspaces",
            "Heard of",
          ]}
          rows={system.sandbox_hosts.map((host) => ({
            key: host.address,
            cells: [
              visible(host.address),
              <span key="status" className={host.status === "up" ? "text-good" : "text-bad"}>
                {host.status}
              </span>,
              [host.driver, host.version].filter(Boolean).join(" "),
              host.sandboxes ?? "?",
              host.sandboxes_in_use ?? "?",
              host.sandboxes_max ?? "?",
              host.egress === null ? "–" : host.egress ? "up" : "down",
              host.checkpoints_failing === null ? "–" : host.checkpoints_failing ? "not kept" : "kept",
              host.unheard_seconds < 1 ? "now" : `${duration(host.unheard_seconds * 1_000)} ago`,
            ],
          }))}
        />
      )}
    </Section>
  );
}

function SlowStatements({ system: { slow_statements } }: { system: System }) {
  return (
    <Section title="Slow statements">
      {slow_statements.length === 0 ? (
        <p className="text-muted">None has taken 200 ms or more since the process that answers began.</p>
      ) : (
        <Table
          head={[
            "Statement",
            { name: "Times", of: "numbers" },
            { name: "Worst", of: "numbers" },
            { name: "In all", of: "numbers" },
            "Last",
          ]}
          rows={slow_statements.map(({ name, text, count: times, worst_ms, total_ms, last_at }) => ({
            key: name,
            cells: [
              <details key="text">
                <summary>{name}</summary>
                <pre className="max-w-xl font-mono text-xs break-words whitespace-pre-wrap">{text}</pre>
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
  );
}

function Settings({ settings }: { settings: System["settings"] }) {
  const [search, setSearch] = useState("");
  const [all, setAll] = useState(false);
  const wanted = search.trim().toLowerCase();
  const shown = settings.filter(
    ({ name, source }) => (all || source !== "default") && name.toLowerCase().includes(wanted),
  );
  return (
    <Section title="Settings">
      <div className="mb-2 flex flex-wrap items-center gap-3">
        <input
          type="search"
          aria-label="Search the settings"
          placeholder="Search"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          className={cx(inputClass, "max-w-60")}
        />
        <label className="flex items-center gap-1.5">
          <input type="checkbox" checked={all} onChange={({ target }) => setAll(target.checked)} />
          also what nobody has set
        </label>
        <span className="text-muted" role="status">
          {shown.length} of {settings.length}
        </span>
      </div>
      {shown.length > 0 && (
        <Table
          head={["Setting", "Value", "From"]}
          rows={shown.map(({ name, value, is_set, source }) => ({
            key: name,
            cells: [
              <span key="name" className="font-mono text-xs">
                {name}
              </span>,
              value === null ? (
                <span key="value" className="text-muted">
                  {is_set ? "set, and not shown" : "not set"}
                </span>
              ) : (
                visible(value)
              ),
              source,
            ],
          }))}
        />
      )}
      <p className="mt-1 text-xs text-muted">
        Those of the process that answers. Of what can hold a secret it is only told that it is set.
      </p>
    </Section>
  );
}

const Section = ({ title, children }: { title: string; children: ReactNode }) => (
  <section className="mt-6">
    <h2 className="mb-2 font-semibold">{title}</h2>
    {children}
  </section>
);
