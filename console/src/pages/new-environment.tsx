import { useNavigate } from "@tanstack/react-router";
import { EnvironmentEditor } from "./environment/environment-editor.tsx";
import { Page } from "./page.tsx";

export function NewEnvironmentPage() {
  const navigate = useNavigate();
  return (
    <Page title="New environment">
      <EnvironmentEditor
        environment={null}
        onSaved={({ id }) => navigate({ to: "/environments/$environmentId", params: { environmentId: id } })}
      />
    </Page>
  );
}
