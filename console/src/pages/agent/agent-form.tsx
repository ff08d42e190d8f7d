import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { oneOptions } from "../../api/resources.ts";
import { mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { isObject } from "../../config/merge.ts";
import { PairsField } from "../../config/parts.tsx";
import { Field, inputClass, TextField, textOf } from "../../ui/field.tsx";
import { Select } from "../../ui/select.tsx";
import { CustomToolsPart } from "./custom-tools-part.tsx";
import { IdentityPart } from "./identity-part.tsx";
import { McpPart } from "./mcp-part.tsx";
import { MultiagentPart } from "./multiagent-part.tsx";
import { SkillsPart } from "./skills-part.tsx";
import { ToolsPart } from "./tools-part.tsx";

const efforts = {
  "": "its own",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "xhigh",
  max: "max",
} as const;
const speeds = { standard: "standard", fast: "fast" } as const;

/** All that an agent is. What of it a form does not know stays as the JSON says. */
export function AgentForm({ body, mistakes, onChange }: FormProps) {
  const set = (changed: object) => onChange({ ...body, ...changed });
  const props = { body, mistakes, onChange };
  return (
    <div className="space-y-5">
      <TextField
        label="Name"
        mistake={mistakeAt(mistakes, "name")}
        value={body.name}
        onChange={(value) => set({ name: value })}
      />
      <ModelPart {...props} />
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
        {(about) => (
          <textarea
            {...about}
            rows={8}
            className={inputClass}
            value={textOf(body.system)}
            onChange={(event) => set({ system: event.target.value || undefined })}
          />
        )}
      </Field>
      <ToolsPart {...props} />
      <McpPart {...props} />
      <CustomToolsPart {...props} />
      <SkillsPart {...props} />
      <MultiagentPart {...props} />
      <PairsField
        label="Metadata"
        mistake={mistakeAt(mistakes, "metadata")}
        value={isObject(body.metadata) ? body.metadata : {}}
        onChange={(metadata) => set({ metadata: Object.keys(metadata).length > 0 ? metadata : undefined })}
      />
      <IdentityPart {...props} />
    </div>
  );
}

function ModelPart({ body, mistakes, onChange }: FormProps) {
  const models = useQuery(
    oneOptions<{ data: { id: string; display_name?: string }[] }>("/v1/models?limit=1000"),
  );
  const modelsId = useId();
  const model = isObject(body.model) ? body.model : { id: body.model };
  const set = (changed: object) => {
    const next = { ...model, ...changed };
    const names = Object.entries(next).filter(([, value]) => value !== undefined);
    onChange({ ...body, model: names.length === 1 ? next.id : Object.fromEntries(names) });
  };
  const effort = isObject(model.effort) ? model.effort.type : model.effort;
  return (
    <div className="flex flex-wrap gap-x-4 gap-y-2">
      <div className="min-w-52 grow basis-full sm:basis-52">
        <Field
          label="Model"
          hint="One that the server serves; simulated needs no key."
          mistake={mistakeAt(mistakes, "model")}
        >
          {(about) => (
            <>
              <input
                {...about}
                list={modelsId}
                className={inputClass}
                value={textOf(model.id)}
                onChange={({ target: { value } }) => set({ id: value })}
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
      </div>
      <div>
        <div className="mb-1 font-medium">Effort</div>
        <Select
          label="Effort"
          value={typeof effort === "string" && effort in efforts ? (effort as keyof typeof efforts) : ""}
          choices={efforts}
          onChange={(type) => set({ effort: type === "" ? undefined : type })}
        />
      </div>
      <div>
        <div className="mb-1 font-medium">Speed</div>
        <Select
          label="Speed"
          value={model.speed === "fast" ? "fast" : "standard"}
          choices={speeds}
          onChange={(speed) => set({ speed: speed === "standard" ? undefined : speed })}
        />
      </div>
    </div>
  );
}
