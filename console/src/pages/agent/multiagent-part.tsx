import { useQuery } from "@tanstack/react-query";
import type { Agent } from "../../../../src/protocol/agents.ts";
import { oneOptions } from "../../api/resources.ts";
import { mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { isObject } from "../../config/merge.ts";
import { Group, JsonField } from "../../config/parts.tsx";
import { visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";
import { textOf } from "../../ui/field.tsx";
import { Select } from "../../ui/select.tsx";

const kinds = {
  none: "works alone",
  coordinator: "coordinates other agents",
  multiagent_20261001: "has subagents, workflows or an advisor",
} as const;
type Kind = keyof typeof kinds;

const beginnings: Record<Kind, unknown> = {
  none: undefined,
  coordinator: { type: "coordinator", agents: [{ type: "self" }] },
  multiagent_20261001: { type: "multiagent_20261001", subagents: { type: "enabled" } },
};

/** With whom it works. */
export function MultiagentPart({ body, mistakes, onChange }: FormProps) {
  const multiagent = isObject(body.multiagent) ? body.multiagent : null;
  const type = multiagent?.type;
  const kind: Kind = type === "coordinator" || type === "multiagent_20261001" ? type : "none";
  const set = (value: unknown) => onChange({ ...body, multiagent: value });
  return (
    <Group label="With others" mistake={mistakeAt(mistakes, "multiagent")}>
      <Select label="With others" value={kind} choices={kinds} onChange={(next) => set(beginnings[next])} />
      {multiagent && kind === "coordinator" && (
        <Roster
          agents={Array.isArray(multiagent.agents) ? multiagent.agents : []}
          onChange={(agents) => set({ ...multiagent, agents })}
        />
      )}
      {multiagent && kind === "multiagent_20261001" && (
        <JsonField
          label="Who may be spawned, and who advises"
          hint='"subagents", "workflows" and "advisor", each enabled or disabled.'
          value={multiagent}
          onChange={set}
        />
      )}
    </Group>
  );
}

function Roster({ agents, onChange }: { agents: unknown[]; onChange: (agents: unknown[]) => void }) {
  const known = useQuery(oneOptions<{ data: Agent[] }>("/v1/agents?limit=100"));
  const nameOf = (id: unknown) => known.data?.data.find((agent) => agent.id === id)?.name;
  return (
    <>
      {agents.map((entry, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: one that is listed twice is a mistake, and shown as it is
        <div key={n} className="flex items-center gap-2">
          <span className="min-w-0 grow truncate">{described(entry, nameOf)}</span>
          <Button look="quiet" onClick={() => onChange(agents.filter((one) => one !== entry))}>
            Remove agent {n + 1}
          </Button>
        </div>
      ))}
      <select
        aria-label="Add an agent"
        className="min-h-8 max-w-full rounded-md border border-line bg-raised px-2 py-1"
        value=""
        onChange={({ target: { value } }) => {
          if (value === "") return;
          onChange([...agents, value === "self" ? { type: "self" } : { type: "agent", id: value }]);
        }}
      >
        <option value="">Add an agent…</option>
        <option value="self">itself</option>
        {known.data?.data.map(({ id, name }) => (
          <option key={id} value={id}>
            {visible(name)}
          </option>
        ))}
      </select>
    </>
  );
}

function described(entry: unknown, nameOf: (id: unknown) => string | undefined): string {
  if (typeof entry === "string") return visible(nameOf(entry) ?? entry);
  if (!isObject(entry)) return "?";
  if (entry.type === "self") return "itself";
  if (entry.type === "advisor") return `advised by ${visible(textOf(entry.model))}`;
  const version = typeof entry.version === "number" ? `, version ${entry.version}` : "";
  return `${visible(nameOf(entry.id) ?? textOf(entry.id))}${version}`;
}
