import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import {
  builtInTools,
  type Choice,
  type Config,
  choiceOf,
  type Mistake,
  withChoice,
} from "../../agent/config.ts";
import { oneOptions } from "../../api/resources.ts";
import { Field, inputClass } from "../../ui/field.tsx";

const choices: [Choice, string][] = [
  ["off", "off"],
  ["always_allow", "always allowed"],
  ["always_ask", "asks first"],
  ["auto", "judged"],
];

/** The parts of a configuration that most agents differ in. The rest of it stays as the JSON says. */
export function AgentForm({
  config,
  mistakes,
  onChange,
}: {
  config: Config;
  mistakes: readonly Mistake[];
  onChange: (config: Config) => void;
}) {
  const models = useQuery(
    oneOptions<{ data: { id: string; display_name?: string }[] }>("/v1/models?limit=1000"),
  );
  const modelsId = useId();
  const mistake = (path: string) =>
    mistakes.find((one) => one.path === path || one.path.startsWith(`${path}.`))?.message;
  const model = typeof config.model === "string" ? config.model : (config.model?.id ?? "");
  const set = (changed: Config) => onChange({ ...config, ...changed });
  return (
    <div className="space-y-4">
      <Field label="Name" mistake={mistake("name")}>
        {(props) => (
          <input
            {...props}
            className={inputClass}
            value={text(config.name)}
            onChange={(event) => set({ name: event.target.value })}
          />
        )}
      </Field>
      <Field
        label="Model"
        hint="One that the server serves; `simulated` needs no key."
        mistake={mistake("model")}
      >
        {(props) => (
          <>
            <input
              {...props}
              list={modelsId}
              className={inputClass}
              value={model}
              onChange={({ target: { value } }) =>
                set({ model: typeof config.model === "object" ? { ...config.model, id: value } : value })
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
      <Field label="Description" mistake={mistake("description")}>
        {(props) => (
          <input
            {...props}
            className={inputClass}
            value={text(config.description)}
            onChange={(event) => set({ description: event.target.value || undefined })}
          />
        )}
      </Field>
      <Field label="System prompt" hint="What it is, and how it is to work." mistake={mistake("system")}>
        {(props) => (
          <textarea
            {...props}
            rows={8}
            className={inputClass}
            value={text(config.system)}
            onChange={(event) => set({ system: event.target.value || undefined })}
          />
        )}
      </Field>
      <fieldset>
        <legend className="mb-1 font-medium">Tools of the sandbox and the web</legend>
        <div className="grid grid-cols-1 gap-1 sm:grid-cols-2">
          {builtInTools.map((name) => (
            <label key={name} className="flex items-center gap-2">
              <span className="w-24 font-mono text-xs">{name}</span>
              <select
                className="rounded-md border border-line bg-page px-1 py-1"
                value={choiceOf(config, name)}
                onChange={(event) => onChange(withChoice(config, name, event.target.value as Choice))}
              >
                {choices.map(([value, label]) => (
                  <option key={value} value={value}>
                    {label}
                  </option>
                ))}
              </select>
            </label>
          ))}
        </div>
        <p className="mt-1 text-xs text-bad">{mistake("tools")}</p>
      </fieldset>
      <p className="text-muted">
        MCP servers, tools of your own, skills and metadata are in the JSON beside this.
      </p>
    </div>
  );
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
