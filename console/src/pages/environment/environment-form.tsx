import { packageManagers } from "../../../../src/protocol/environments.ts";
import { type Body, mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { Field, inputClass, TextField } from "../../ui/field.tsx";
import { Select } from "../../ui/select.tsx";

const objectOf = (value: unknown): Body =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Body) : {};
const linesOf = (value: unknown): string => (Array.isArray(value) ? value.join("\n") : "");
const listOf = (text: string): string[] | undefined => {
  const list = text.split(/[\s,]+/).filter((entry) => entry !== "");
  return list.length > 0 ? list : undefined;
};

const kinds = { cloud: "in a sandbox of this server", self_hosted: "by workers of your own" } as const;
const networks = { unrestricted: "everything", limited: "only what is listed" } as const;

/** Where tools run, what they reach, and what is installed there. */
export function EnvironmentForm({ body, mistakes, onChange, isNew }: FormProps & { isNew: boolean }) {
  const config = objectOf(body.config);
  const networking = objectOf(config.networking);
  const packages = objectOf(config.packages);
  const isCloud = config.type !== "self_hosted";
  const set = (changed: object) => onChange({ ...body, ...changed });
  const setConfig = (changed: object) => set({ config: { type: "cloud", ...config, ...changed } });
  const network = networking.type === "limited" ? "limited" : "unrestricted";
  return (
    <div className="space-y-4">
      <TextField
        label="Name"
        mistake={mistakeAt(mistakes, "name")}
        value={body.name}
        onChange={(value) => set({ name: value })}
      />
      {isNew && (
        <Labelled name="Tools run">
          <Select
            label="Tools run"
            value={isCloud ? "cloud" : "self_hosted"}
            choices={kinds}
            onChange={(type) => set({ config: { type } })}
          />
        </Labelled>
      )}
      {isCloud && (
        <>
          <Labelled name="The network reaches">
            <Select
              label="The network reaches"
              value={network}
              choices={networks}
              onChange={(type) =>
                setConfig({
                  networking: type === "limited" ? { type, allowed_hosts: [] } : { type },
                })
              }
            />
          </Labelled>
          {network === "limited" && (
            <>
              <Field
                label="Hosts that may be reached"
                hint="One in a line, such as api.example.com or *.example.com"
                mistake={mistakeAt(mistakes, "config.networking")}
              >
                {(props) => (
                  <textarea
                    {...props}
                    rows={4}
                    className={`${inputClass} font-mono text-xs`}
                    defaultValue={linesOf(networking.allowed_hosts)}
                    onChange={(event) =>
                      setConfig({
                        networking: { ...networking, allowed_hosts: listOf(event.target.value) ?? [] },
                      })
                    }
                  />
                )}
              </Field>
              {(["allow_package_managers", "allow_mcp_servers"] as const).map((name) => (
                <label key={name} className="flex items-center gap-2">
                  <input
                    type="checkbox"
                    checked={networking[name] === true}
                    onChange={(event) =>
                      setConfig({ networking: { ...networking, [name]: event.target.checked } })
                    }
                  />
                  {name === "allow_package_managers"
                    ? "and the package managers' registries"
                    : "and the agent's MCP servers"}
                </label>
              ))}
            </>
          )}
          <fieldset className="grid gap-2 sm:grid-cols-2">
            <legend className="mb-1 font-medium">Packages, with spaces between them</legend>
            {packageManagers.map((manager) => (
              <label key={manager} className="flex items-center gap-2">
                <span className="w-12 font-mono text-xs">{manager}</span>
                <input
                  className={`${inputClass} font-mono text-xs`}
                  defaultValue={linesOf(packages[manager]).replaceAll("\n", " ")}
                  onChange={(event) =>
                    setConfig({ packages: { ...packages, [manager]: listOf(event.target.value) } })
                  }
                />
              </label>
            ))}
          </fieldset>
          <p className="text-xs text-bad">{mistakeAt(mistakes, "config.packages")}</p>
          <p className="text-muted">Image, set-up commands and resources are in the JSON.</p>
        </>
      )}
    </div>
  );
}

const Labelled = ({ name, children }: { name: string; children: React.ReactNode }) => (
  <div>
    <div className="mb-1 font-medium">{name}</div>
    {children}
  </div>
);
