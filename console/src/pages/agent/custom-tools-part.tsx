import { entriesOf, withEntry } from "../../agent/agent-config.ts";
import { mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { Group, JsonField } from "../../config/parts.tsx";
import { Button } from "../../ui/button.tsx";
import { TextField } from "../../ui/field.tsx";

/** Tools that the client runs: a session waits for its answer. */
export function CustomToolsPart({ body, mistakes, onChange }: FormProps) {
  const tools = entriesOf(body.tools);
  const custom = tools.filter(({ type }) => type === "custom");
  const set = (list: unknown[]) => onChange({ ...body, tools: list });
  return (
    <Group
      label="Tools of your own"
      hint="A session that calls one waits until a program, or a person in the console, has answered."
      addLabel="Add a tool"
      add={() =>
        set(
          withEntry(body.tools, undefined, {
            type: "custom",
            name: `tool_${custom.length + 1}`,
            description: "",
            input_schema: { type: "object", properties: {} },
          }),
        )
      }
    >
      {custom.map((tool, n) => {
        const place = tools.indexOf(tool);
        const change = (changed: object) => set(withEntry(body.tools, tool, { ...tool, ...changed }));
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: its name is what is being typed
          <div key={n} className="space-y-2 rounded-md border border-line p-3">
            <TextField
              label={`Name of tool ${n + 1}`}
              mistake={mistakeAt(mistakes, `tools.${place}.name`)}
              value={tool.name}
              onChange={(name) => change({ name })}
            />
            <TextField
              label={`What tool ${n + 1} does`}
              mistake={mistakeAt(mistakes, `tools.${place}.description`)}
              value={tool.description}
              onChange={(description) => change({ description })}
            />
            <JsonField
              label={`What tool ${n + 1} takes`}
              hint="JSON Schema of an object."
              mistake={mistakeAt(mistakes, `tools.${place}.input_schema`)}
              value={tool.input_schema}
              onChange={(input_schema) => change({ input_schema })}
            />
            <Button look="quiet" onClick={() => set(withEntry(body.tools, tool, undefined))}>
              Remove tool {n + 1}
            </Button>
          </div>
        );
      })}
    </Group>
  );
}
