import { useRef, useState } from "react";
import {
  defaultChoice,
  entriesOf,
  type Toolset,
  toolsetPlaces,
  withDefault,
  withEntry,
  withToolset,
} from "../../agent/agent-config.ts";
import { type Body, mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { Group } from "../../config/parts.tsx";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass, TextField, textOf } from "../../ui/field.tsx";
import { OwnChoice, ToolChoice } from "./tools-part.tsx";

/** MCP servers, each with the toolset by which the agent has its tools. */
export function McpPart({ body, mistakes, onChange }: FormProps) {
  const servers = entriesOf(body.mcp_servers);
  const tools = entriesOf(body.tools);
  const before = useRef<readonly number[]>([]);
  const places = toolsetPlaces(servers, tools, before.current);
  before.current = places;
  const toolsetOf = (server: Body) => tools[places[servers.indexOf(server)] ?? -1] as Toolset | undefined;

  function change(server: Body, after: Body): void {
    const toolset = toolsetOf(server);
    const next = { ...body, mcp_servers: withEntry(body.mcp_servers, server, after) };
    onChange(
      toolset && after.name !== server.name
        ? withToolset(next, toolset, { ...toolset, mcp_server_name: textOf(after.name) })
        : next,
    );
  }
  function remove(server: Body): void {
    const rest = withEntry(body.mcp_servers, server, undefined);
    const toolset = toolsetOf(server);
    const next = { ...body, mcp_servers: rest.length > 0 ? rest : undefined };
    onChange(toolset ? withToolset(next, toolset, undefined) : next);
  }
  function add(): void {
    const names = servers.map(({ name }) => name);
    let n = servers.length + 1;
    while (names.includes(`server-${n}`)) n += 1;
    const name = `server-${n}`;
    onChange({
      ...body,
      mcp_servers: withEntry(body.mcp_servers, undefined, { type: "url", name, url: "https://" }),
      tools: withEntry(body.tools, undefined, { type: "mcp_toolset", mcp_server_name: name }),
    });
  }

  return (
    <Group
      label="MCP servers"
      hint="Tools that a server elsewhere has. What they ask for is in a vault of the session, never here."
      mistake={servers.length === 0 ? mistakeAt(mistakes, "mcp_servers") : undefined}
      addLabel="Add an MCP server"
      add={add}
    >
      {servers.map((server, n) => {
        const toolset = toolsetOf(server);
        const place = places[n] ?? -1;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: its name is what is being typed
          <div key={n} className="space-y-2 rounded-md border border-line p-3">
            <div className="grid gap-2 sm:grid-cols-[10rem_1fr]">
              <TextField
                label={`Name of server ${n + 1}`}
                mistake={mistakeAt(mistakes, `mcp_servers.${n}.name`)}
                value={server.name}
                onChange={(name) => change(server, { ...server, name })}
              />
              <TextField
                label={`Address of server ${n + 1}`}
                mistake={mistakeAt(mistakes, `mcp_servers.${n}.url`)}
                value={server.url}
                onChange={(url) => change(server, { ...server, url })}
              />
            </div>
            {toolset && (
              <McpTools toolset={toolset} onChange={(after) => onChange(withToolset(body, toolset, after))} />
            )}
            {place >= 0 && <p className="text-bad text-xs">{mistakeAt(mistakes, `tools.${place}`)}</p>}
            <div className="flex gap-2">
              {!toolset && (
                <Button
                  onClick={() =>
                    onChange(
                      withToolset(body, undefined, {
                        type: "mcp_toolset",
                        mcp_server_name: textOf(server.name),
                      }),
                    )
                  }
                >
                  Let it use the tools
                </Button>
              )}
              <Button look="quiet" onClick={() => remove(server)}>
                Remove server {n + 1}
              </Button>
            </div>
          </div>
        );
      })}
    </Group>
  );
}

function McpTools({ toolset, onChange }: { toolset: Toolset; onChange: (toolset: Toolset) => void }) {
  const [name, setName] = useState("");
  const configs = toolset.configs ?? [];
  const add = () => {
    if (name === "" || configs.some((config) => config.name === name)) return;
    onChange({ ...toolset, configs: [...configs, { name, enabled: true }] });
    setName("");
  };
  return (
    <div className="space-y-2">
      <ToolChoice
        label="Its tools, unless named below"
        value={defaultChoice(toolset)}
        onChange={(choice) => onChange(withDefault(toolset, choice))}
      />
      {configs.map((config) => (
        <OwnChoice key={config.name} toolset={toolset} name={config.name} onChange={onChange} />
      ))}
      <Field label={`A tool of ${textOf(toolset.mcp_server_name)} by its name`}>
        {(about) => (
          <div className="flex gap-2">
            <input
              {...about}
              className={`${inputClass} font-mono text-xs`}
              value={name}
              onChange={(event) => setName(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter") add();
              }}
            />
            <Button disabled={name === ""} onClick={add}>
              Name it
            </Button>
          </div>
        )}
      </Field>
    </div>
  );
}
