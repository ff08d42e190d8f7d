import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { createEnvironmentBody, type Environment } from "../../../../src/protocol/environments.ts";
import { ask, Problem } from "../../api/request.ts";
import { ConfigEditor } from "../../config/config-editor.tsx";
import {
  environmentBody,
  environmentFields,
  environmentUpdate,
  firstEnvironment,
} from "../../environment/environment-config.ts";
import { EnvironmentForm } from "./environment-form.tsx";

const schema = async () => createEnvironmentBody;

/** Makes an environment, or changes one. */
export function EnvironmentEditor({
  environment,
  onSaved,
}: {
  environment: Environment | null;
  onSaved: (environment: Environment) => void;
}) {
  const queries = useQueryClient();
  const stored = useMemo(() => environment && storedOf(environment), [environment]);
  const path = environment ? `/v1/environments/${environment.id}` : "/v1/environments";
  return (
    <ConfigEditor
      stored={stored}
      initial={firstEnvironment}
      fields={environmentFields}
      schema={schema}
      form={(props) => <EnvironmentForm {...props} isNew={environment === null} />}
      isArchived={environment?.archived_at != null}
      saveLabel={environment ? "Save" : "Create"}
      look={environment ? () => queries.invalidateQueries({ queryKey: [path] }) : undefined}
      save={async (body, base) => {
        // An environment has no version that the server could compare: it is looked at right before.
        if (environment && (await ask<Environment>(path)).updated_at !== base.mark)
          throw new Problem(409, "conflict_error", "It was changed meanwhile.", null);
        const saved = await ask<Environment>(path, {
          method: "POST",
          body: environment ? environmentUpdate(base.body, body) : body,
        });
        const key = [`/v1/environments/${saved.id}`];
        await queries.cancelQueries({ queryKey: key });
        queries.setQueryData(key, saved);
        void queries.invalidateQueries({ queryKey: ["/v1/environments"] });
        return { stored: storedOf(saved), onceSaved: () => onSaved(saved) };
      }}
    />
  );
}

const storedOf = (environment: Environment) => ({
  body: environmentBody(environment),
  mark: environment.updated_at,
});
