import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Agent } from "../../../../src/protocol/agents.ts";
import { agentBody, agentFields } from "../../agent/agent-config.ts";
import { ask } from "../../api/request.ts";
import { type Body, updateOf } from "../../config/checked.ts";
import { ConfigEditor } from "../../config/config-editor.tsx";
import { AgentForm } from "./agent-form.tsx";

const schema = async () => (await import("../../../../src/protocol/agents.ts")).createAgentBody;

/** Makes an agent, or its next version. */
export function AgentEditor({
  agent,
  initial,
  offered,
  onSaved,
}: {
  /** The one that is changed; null for a new one. */
  agent: Agent | null;
  /** Of a new one. */
  initial?: Body;
  offered?: Body | null;
  onSaved: (agent: Agent) => void;
}) {
  const queries = useQueryClient();
  const stored = useMemo(() => agent && storedOf(agent), [agent]);
  return (
    <ConfigEditor
      stored={stored}
      initial={initial}
      fields={agentFields}
      schema={schema}
      form={(props) => <AgentForm {...props} />}
      isArchived={agent?.archived_at != null}
      saveLabel={agent ? `Save as version ${agent.version + 1}` : "Create"}
      offered={offered}
      look={agent ? () => queries.invalidateQueries({ queryKey: [`/v1/agents/${agent.id}`] }) : undefined}
      save={async (body, base) => {
        const saved = agent
          ? // Nobody else's change is written over: the server compares the version.
            await ask<Agent>(`/v1/agents/${agent.id}`, {
              method: "POST",
              body: { ...updateOf(base.body, body), version: base.mark },
            })
          : await ask<Agent>("/v1/agents", { method: "POST", body });
        const key = [`/v1/agents/${saved.id}`];
        await queries.cancelQueries({ queryKey: key });
        queries.setQueryData(key, saved);
        void queries.invalidateQueries({ queryKey: ["/v1/agents"] });
        void queries.invalidateQueries({ queryKey: [`/v1/agents/${saved.id}/versions`] });
        return { stored: storedOf(saved), onceSaved: () => onSaved(saved) };
      }}
    />
  );
}

const storedOf = (agent: Agent) => ({ body: agentBody(agent), mark: agent.version });
