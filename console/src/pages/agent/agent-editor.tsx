import { useQueryClient } from "@tanstack/react-query";
import type { Agent } from "../../../../src/protocol/agents.ts";
import { agentFields } from "../../agent/agent-config.ts";
import { ask } from "../../api/request.ts";
import { type Body, bodyOf, updateOf } from "../../config/checked.ts";
import { ConfigEditor } from "../../config/config-editor.tsx";
import { AgentForm } from "./agent-form.tsx";

const schema = async () => (await import("../../../../src/protocol/agents.ts")).createAgentBody;

/** Makes an agent, or its next version. */
export function AgentEditor({
  agent,
  initial,
  onSaved,
}: {
  /** The one that is changed; null for a new one. */
  agent: Agent | null;
  /** Of a new one. */
  initial?: Body;
  onSaved: (agent: Agent) => void;
}) {
  const queries = useQueryClient();
  const before = agent ? bodyOf(agent, agentFields) : (initial ?? {});
  return (
    <ConfigEditor
      initial={before}
      schema={schema}
      form={(props) => <AgentForm {...props} />}
      saveLabel={agent ? `Save as version ${agent.version + 1}` : "Create"}
      save={async (body) => {
        const saved = agent
          ? // Nobody else's change is written over: the server compares the version.
            await ask<Agent>(`/v1/agents/${agent.id}`, {
              method: "POST",
              body: { ...updateOf(before, body), version: agent.version },
            })
          : await ask<Agent>("/v1/agents", { method: "POST", body });
        void queries.invalidateQueries({ queryKey: ["/v1/agents"] });
        queries.setQueryData([`/v1/agents/${saved.id}`], saved);
        onSaved(saved);
      }}
    />
  );
}
