import type { ReactNode } from "react";
import { packageManagers } from "../../../../src/protocol/environments.ts";
import { mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { Group, LinesField, PairsField, WordsField } from "../../config/parts.tsx";
import { listOf, objectOf } from "../../environment/environment-config.ts";
import { Field, inputClass, TextField, textOf } from "../../ui/field.tsx";
import { Select } from "../../ui/select.tsx";

const kinds = { cloud: "in a sandbox of this server", self_hosted: "by workers of your own" } as const;
const networks = { unrestricted: "everything", limited: "only what is listed" } as const;

const resources = {
  cpu: ["Processor cores", "any", 0.1],
  memory_mb: ["Memory, in MB", "e.g. 2048", 1],
  disk_mb: ["Disk, in MB", "e.g. 10240", 1],
  processes: ["Processes and threads", "e.g. 512", 1],
} as const;

const orNone = (list: string[]) => (list.length > 0 ? list : undefined);

/** Where tools run, what they reach, and what is installed there. */
export function EnvironmentForm({ body, mistakes, onChange, isNew }: FormProps & { isNew: boolean }) {
  const config = objectOf(body.config);
  const isCloud = config.type !== "self_hosted";
  const set = (changed: object) => onChange({ ...body, ...changed });
  const setConfig = (changed: object) => set({ config: { type: "cloud", ...config, ...changed } });
  return (
    <div className="space-y-5">
      <TextField
        label="Name"
        mistake={mistakeAt(mistakes, "name")}
        value={body.name}
        onChange={(value) => set({ name: value })}
      />
      <TextField
        label="Description"
        mistake={mistakeAt(mistakes, "description")}
        value={body.description}
        onChange={(value) => set({ description: value || undefined })}
      />
      {isNew ? (
        <Labelled name="Tools run">
          <Select
            label="Tools run"
            value={isCloud ? "cloud" : "self_hosted"}
            choices={kinds}
            onChange={(type) => set({ config: { type } })}
          />
        </Labelled>
      ) : (
        <p className="text-muted">Tools run {kinds[isCloud ? "cloud" : "self_hosted"]}.</p>
      )}
      {isCloud ? (
        <CloudPart config={config} mistakes={mistakes} onChange={setConfig} />
      ) : (
        <p className="text-muted">
          Workers on machines of yours ask this server for sessions and run their tools: what those find and
          reach is what the machine has. They need a key, which is made once the environment is there.
        </p>
      )}
      <PairsField
        label="Metadata"
        mistake={mistakeAt(mistakes, "metadata")}
        value={objectOf(body.metadata)}
        onChange={(metadata) => set({ metadata: Object.keys(metadata).length > 0 ? metadata : undefined })}
      />
    </div>
  );
}

interface CloudProps {
  config: Record<string, unknown>;
  mistakes: FormProps["mistakes"];
  onChange: (changed: object) => void;
}

function CloudPart({ config, mistakes, onChange }: CloudProps) {
  const packages = objectOf(config.packages);
  const limits = objectOf(config.resources);
  return (
    <>
      <NetworkPart config={config} mistakes={mistakes} onChange={onChange} />
      <Group label="Packages" hint="Installed before the first call of a tool; with spaces between them.">
        <div className="grid gap-2 sm:grid-cols-2">
          {packageManagers.map((manager) => (
            <WordsField
              key={manager}
              label={manager}
              apart={/\s+/}
              mistake={mistakeAt(mistakes, `config.packages.${manager}`)}
              value={listOf(packages[manager])}
              onChange={(list) => {
                const { [manager]: _, ...rest } = packages;
                const next = { ...rest, ...(list.length > 0 && { [manager]: list }) };
                onChange({ packages: Object.keys(next).length > 0 ? next : undefined });
              }}
            />
          ))}
        </div>
        <p className="text-bad text-xs">{mistakes.find(({ path }) => path === "config.packages")?.message}</p>
      </Group>
      <LinesField
        label="Set-up commands"
        hint="One in a line: bash runs them once in each new workspace."
        mistake={mistakeAt(mistakes, "config.setup")}
        value={listOf(config.setup)}
        onChange={(lines) => onChange({ setup: orNone(lines) })}
      />
      <TextField
        label="Image"
        mistake={mistakeAt(mistakes, "config.image")}
        value={config.image}
        onChange={(image) => onChange({ image: image || undefined })}
      />
      <Group label="Resources" hint="Without one, the server's own default holds.">
        <div className="grid grid-cols-2 gap-2">
          {Object.entries(resources).map(([name, [label, placeholder, step]]) => (
            <Field key={name} label={label} mistake={mistakeAt(mistakes, `config.resources.${name}`)}>
              {(about) => (
                <input
                  {...about}
                  type="number"
                  min={0}
                  step={step}
                  placeholder={placeholder}
                  className={inputClass}
                  value={typeof limits[name] === "number" ? limits[name] : textOf(limits[name])}
                  onChange={({ target: { value } }) => {
                    const { [name]: _, ...rest } = limits;
                    const next = { ...rest, ...(value !== "" && { [name]: Number(value) }) };
                    onChange({ resources: Object.keys(next).length > 0 ? next : undefined });
                  }}
                />
              )}
            </Field>
          ))}
        </div>
      </Group>
    </>
  );
}

function NetworkPart({ config, mistakes, onChange }: CloudProps) {
  const networking = objectOf(config.networking);
  const network = networking.type === "limited" ? "limited" : "unrestricted";
  const set = (changed: object) => onChange({ networking: { ...networking, ...changed } });
  return (
    <>
      <Labelled name="The network reaches">
        <Select
          label="The network reaches"
          value={network}
          choices={networks}
          onChange={(type) =>
            onChange({ networking: type === "limited" ? { type, allowed_hosts: [] } : { type } })
          }
        />
      </Labelled>
      {network === "limited" && (
        <>
          <WordsField
            label="Hosts that may be reached"
            hint="One in a line, such as api.example.com or *.example.com"
            rows={4}
            mistake={mistakeAt(mistakes, "config.networking")}
            value={listOf(networking.allowed_hosts)}
            onChange={(allowed_hosts) => set({ allowed_hosts })}
          />
          {(["allow_package_managers", "allow_mcp_servers"] as const).map((name) => (
            <label key={name} className="flex items-center gap-2">
              <input
                type="checkbox"
                checked={networking[name] === true}
                onChange={(event) => set({ [name]: event.target.checked })}
              />
              {name === "allow_package_managers"
                ? "and the package managers' registries"
                : "and the agent's MCP servers"}
            </label>
          ))}
        </>
      )}
    </>
  );
}

const Labelled = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <div className="mb-1 font-medium">{name}</div>
    {children}
  </div>
);
