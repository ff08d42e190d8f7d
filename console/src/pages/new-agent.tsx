import { useNavigate } from "@tanstack/react-router";
import { firstAgent } from "../agent/agent-config.ts";
import { AgentEditor } from "./agent/agent-editor.tsx";
import { Page } from "./page.tsx";

export function NewAgentPage() {
  const navigate = useNavigate();
  return (
    <Page title="New agent">
      <AgentEditor
        agent={null}
        initial={firstAgent}
        onSaved={({ id }) => navigate({ to: "/agents/$agentId", params: { agentId: id } })}
      />
    </Page>
  );
}
