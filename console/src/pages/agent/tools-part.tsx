import type { BuiltInTool } from "../../../../src/protocol/tools.ts";
import {
  agentToolset,
  builtInTools,
  type Choice,
  choices,
  defaultChoice,
  entriesOf,
  ownChoice,
  type Toolset,
  toolsetOf,
  withChoice,
  withDefault,
  withToolset,
} from "../../agent/agent-config.ts";
import { type Body, mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { Group, WordsField } from "../../config/parts.tsx";
import { listOf } from "../../environment/environment-config.ts";
import { Select } from "../../ui/select.tsx";

/** The tools of the sandbox and the web: all as one, or each by itself. */
export function ToolsPart({ body, mistakes, onChange }: FormProps) {
  const toolset = toolsetOf(body);
  const place = entriesOf(body.tools).indexOf(toolset as never);
  const set = (after: Toolset | undefined) => onChange(withToolset(body, toolset, after));
  const mistake = mistakeAt(mistakes, place < 0 ? "tools" : `tools.${place}`);
  return (
    <Group label="Tools of the sandbox and the web" mistake={mistake}>
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={toolset !== undefined}
          onChange={(event) => set(event.target.checked ? { type: agentToolset } : undefined)}
        />
        It has them
      </label>
      {toolset && (
        <>
          <ToolChoice
            label="All, unless said below"
            value={defaultChoice(toolset)}
            onChange={(choice) => set(withDefault(toolset, choice))}
          />
          <div className="grid grid-cols-1 gap-x-4 gap-y-1 sm:grid-cols-2">
            {builtInTools.map((name) => (
              <OwnChoice key={name} toolset={toolset} name={name} onChange={set} />
            ))}
          </div>
          {(["web_fetch", "web_search"] as const).map((name) => (
            <Domains key={name} toolset={toolset} name={name} onChange={set} />
          ))}
        </>
      )}
    </Group>
  );
}

/** What a tool named by a toolset does, or that it does as the rest. */
export function OwnChoice({
  toolset,
  name,
  onChange,
}: {
  toolset: Toolset;
  name: string;
  onChange: (toolset: Toolset) => void;
}) {
  const own = ownChoice(toolset, name);
  return (
    <div className="flex items-center gap-2 [&>select]:min-w-0 [&>select]:grow">
      <span className="w-20 shrink-0 truncate font-mono text-xs" title={name}>
        {name}
      </span>
      <Select
        label={name}
        value={own ?? ""}
        choices={{ "": "as all", ...choices }}
        onChange={(choice) => onChange(withChoice(toolset, name, choice === "" ? null : choice))}
      />
    </div>
  );
}

export function ToolChoice({
  label,
  value,
  onChange,
}: {
  label: string;
  value: Choice;
  onChange: (choice: Choice) => void;
}) {
  return (
    <div className="flex flex-wrap items-center gap-2">
      <span>{label}</span>
      <Select label={label} value={value} choices={choices} onChange={onChange} />
    </div>
  );
}

/** Where a tool of the web may go. */
function Domains({
  toolset,
  name,
  onChange,
}: {
  toolset: Toolset;
  name: BuiltInTool;
  onChange: (toolset: Toolset) => void;
}) {
  const configs: readonly Body[] = entriesOf(toolset.configs);
  const own = configs.find((config) => config.name === name);
  const set = (field: string, domains: string[]) => {
    const { [field]: _, ...kept } = own ?? { name };
    const next = { ...kept, name, ...(domains.length > 0 && { [field]: domains }) };
    onChange({
      ...toolset,
      configs: own ? configs.map((config) => (config === own ? next : config)) : [...configs, next],
    } as Toolset);
  };
  return (
    <details>
      <summary className="text-muted">Domains of {name}</summary>
      <div className="mt-1 grid gap-2 sm:grid-cols-2">
        <WordsField
          label={`${name}: only these domains`}
          hint="One in a line. Without any: all."
          rows={3}
          value={listOf(own?.allowed_domains)}
          onChange={(domains) => set("allowed_domains", domains)}
        />
        <WordsField
          label={`${name}: not these domains`}
          hint="Either these, or those on the left."
          rows={3}
          value={listOf(own?.blocked_domains)}
          onChange={(domains) => set("blocked_domains", domains)}
        />
      </div>
    </details>
  );
}
