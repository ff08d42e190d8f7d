import { useNavigate } from "@tanstack/react-router";
import { newConfig } from "../agent/config.ts";
import { AgentEditor } from "./agent/agent-editor.tsx";
import { Page } from "./page.tsx";

export function NewAgentPage() {
  const navigate = useNavigate();
  return (
    <Page title="New agent">
      <AgentEditor
        agent={null}
        initial={newConfig("simulated")}
        onSaved={({ id }) => navigate({ to: "/agents/$agentId", params: { agentId: id } })}
      />
    </Page>
  );
}
