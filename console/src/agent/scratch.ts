import { ask } from "../api/request.ts";

interface Named {
  id: string;
  name: string;
}

const environmentName = "console";

/** A session to try an agent in, in an environment that the console keeps for this. */
export async function startScratch(
  agent: string,
  begin: { title?: string; task?: string } = {},
): Promise<{ id: string }> {
  const { data } = await ask<{ data: Named[] }>("/v1/environments", { query: { limit: 100 } });
  const environment =
    data.find(({ name }) => name === environmentName) ??
    (await ask<Named>("/v1/environments", { method: "POST", body: { name: environmentName } }));
  return ask("/v1/sessions", {
    method: "POST",
    body: {
      agent,
      environment_id: environment.id,
      title: begin.title ?? "Scratch",
      metadata: { "drover.scratch": "true" },
      ...(begin.task && {
        initial_events: [{ type: "user.message", content: [{ type: "text", text: begin.task }] }],
      }),
    },
  });
}
