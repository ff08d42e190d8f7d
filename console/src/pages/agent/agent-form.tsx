import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { builtInTools, choiceOf, choices, withChoice } from "../../agent/agent-config.ts";
import { oneOptions } from "../../api/resources.ts";
import { mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { Field, inputClass, TextField, textOf } from "../../ui/field.tsx";
import { Select } from "../../ui/select.tsx";

/** The parts of a configuration in which most agents differ. The rest of it stays as the JSON says. */
export function AgentForm({ body, mistakes, onChange }: FormProps) {
  const models = useQuery(
    oneOptions<{ data: { id: string; display_name?: string }[] }>("/v1/models?limit=1000"),
  );
  const modelsId = useId();
  const model = body.model;
  const modelId = typeof model === "object" && model !== null && "id" in model ? model.id : model;
  const set = (changed: object) => onChange({ ...body, ...changed });
  return (
    <div className="space-y-4">
      <TextField
        label="Name"
        mistake={mistakeAt(mistakes, "name")}
        value={body.name}
        onChange={(value) => set({ name: value })}
      />
      <Field
        label="Model"
        hint="One that the server serves; simulated needs no key."
        mistake={mistakeAt(mistakes, "model")}
      >
        {(props) => (
          <>
            <input
              {...props}
              list={modelsId}
              className={inputClass}
              value={textOf(modelId)}
              onChange={({ target: { value } }) =>
                set({ model: typeof model === "object" ? { ...model, id: value } : value })
              }
            />
            <datalist id={modelsId}>
              {models.data?.data.map(({ id, display_name }) => (
                <option key={id} value={id}>
                  {display_name}
                </option>
              ))}
            </datalist>
          </>
        )}
      </Field>
      <TextField
        label="Description"
        mistake={mistakeAt(mistakes, "description")}
        value={body.description}
        onChange={(value) => set({ description: value || undefined })}
      />
      <Field
        label="System prompt"
        hint="What it is, and how it is to work."
        mistake={mistakeAt(mistakes, "system")}
      >
        {(props) => (
          <textarea
            {...props}
            rows={8}
            className={inputClass}
            value={textOf(body.system)}
            onChange={(event) => set({ system: event.target.value || undefined })}
          />
        )}
      </Field>
      <fieldset>
        <legend className="mb-1 font-medium">Tools of the sandbox and the web</legend>
        <div className="grid grid-cols-1 gap-1 sm:grid-cols-2">
          {builtInTools.map((name) => (
            <div key={name} className="flex items-center gap-2">
              <span className="w-24 font-mono text-xs">{name}</span>
              <Select
                label={name}
                value={choiceOf(body, name)}
                choices={choices}
                onChange={(choice) => onChange(withChoice(body, name, choice))}
              />
            </div>
          ))}
        </div>
        <p className="mt-1 text-xs text-bad">{mistakeAt(mistakes, "tools")}</p>
      </fieldset>
      <p className="text-muted">MCP servers, tools of your own, skills and metadata are in the JSON.</p>
    </div>
  );
}
