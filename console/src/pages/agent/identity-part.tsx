import { mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { isObject } from "../../config/merge.ts";
import { Group } from "../../config/parts.tsx";
import { TextField } from "../../ui/field.tsx";
import { Select } from "../../ui/select.tsx";

const kinds = { service_account: "the server's own account", aws_role: "a role of AWS" } as const;

/** As whom it runs. */
export function IdentityPart({ body, mistakes, onChange }: FormProps) {
  const identity = isObject(body.execution_identity) ? body.execution_identity : {};
  const isRole = identity.type === "aws_role";
  const set = (value: unknown) => onChange({ ...body, execution_identity: value });
  const mistake = mistakeAt(mistakes, "execution_identity");
  return (
    <Group label="Runs as" mistake={isRole ? undefined : mistake}>
      <Select
        label="Runs as"
        value={isRole ? "aws_role" : "service_account"}
        choices={kinds}
        onChange={(type) => set(type === "aws_role" ? { type, role_arn: "" } : { type })}
      />
      {isRole && (
        <TextField
          label="Role"
          mistake={mistake}
          value={identity.role_arn}
          onChange={(role_arn) => set({ ...identity, role_arn })}
        />
      )}
    </Group>
  );
}
