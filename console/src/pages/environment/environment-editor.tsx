import { useQueryClient } from "@tanstack/react-query";
import { createEnvironmentBody, type Environment } from "../../../../src/protocol/environments.ts";
import { ask } from "../../api/request.ts";
import { type Body, bodyOf, updateOf } from "../../config/checked.ts";
import { ConfigEditor } from "../../config/config-editor.tsx";
import { EnvironmentForm } from "./environment-form.tsx";

const schema = async () => createEnvironmentBody;
const fields = ["name", "description", "config", "metadata"];
const firstEnvironment: Body = { name: "default", config: { type: "cloud" } };

/** Makes an environment, or changes one. */
export function EnvironmentEditor({
  environment,
  onSaved,
}: {
  environment: Environment | null;
  onSaved: (environment: Environment) => void;
}) {
  const queries = useQueryClient();
  const before = environment ? bodyOf(environment, fields) : firstEnvironment;
  return (
    <ConfigEditor
      initial={before}
      schema={schema}
      form={(props) => <EnvironmentForm {...props} isNew={environment === null} />}
      saveLabel={environment ? "Save" : "Create"}
      save={async (body) => {
        const saved = await ask<Environment>(
          environment ? `/v1/environments/${environment.id}` : "/v1/environments",
          { method: "POST", body: environment ? updateOf(before, body) : body },
        );
        void queries.invalidateQueries({ queryKey: ["/v1/environments"] });
        queries.setQueryData([`/v1/environments/${saved.id}`], saved);
        onSaved(saved);
      }}
    />
  );
}
