import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Agent } from "../../../../src/protocol/agents.ts";
import type { ModelPage } from "../../../../src/protocol/models.ts";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { firstTask, modelsOf, startFirst } from "../../agent/first-agent.ts";
import { oneOptions } from "../../api/resources.ts";
import { visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";

interface List<Item> {
  data: Item[];
}

/** That of the session which `npm start` plays: nobody has begun that. */
const isPlayed = ({ name }: { name: string }) => name === "hello";

/** Where nobody has begun a session yet: what an agent, an environment and a session are, and one click to see them at work. */
export function FirstSession() {
  const sessions = useQuery(oneOptions<List<Session>>("/v1/sessions?limit=20&include_archived=true"));
  const agents = useQuery(oneOptions<List<Agent>>("/v1/agents?limit=2"));
  const models = useQuery({ ...oneOptions<ModelPage>("/v1/models?limit=100"), staleTime: 60_000 });
  if (!sessions.data || !agents.data || !models.data) return null;
  if (sessions.data.data.some(({ agent }) => !isPlayed(agent))) return null;
  const ids = modelsOf(models.data.data);
  return (
    <Begin
      models={ids.length > 0 ? ids : ["simulated"]}
      agent={agents.data.data.find((agent) => !isPlayed(agent))}
    />
  );
}

function Begin({ models, agent }: { models: string[]; agent: Agent | undefined }) {
  const navigate = useNavigate();
  const [chosen, setModel] = useState(models[0] ?? "simulated");
  const [written, setTask] = useState<string | null>(null);
  const model = agent ? agent.model.id : chosen;
  const task = written ?? firstTask(model);
  const start = useMutation({
    mutationFn: () => startFirst(model, task, agent),
    onSuccess: ({ id }) => navigate({ to: "/sessions/$sessionId", params: { sessionId: id } }),
  });
  return (
    <section aria-label="Begin" className="mb-6 rounded-lg border border-accent bg-raised p-4">
      <h2 className="text-base font-semibold">See an agent at work</h2>
      <p className="mt-1 max-w-prose text-muted">
        An <strong className="text-ink">agent</strong> is a model with instructions and tools, an{" "}
        <strong className="text-ink">environment</strong> is what its sandboxes are like, and a{" "}
        <strong className="text-ink">session</strong> is the agent at work there. This makes one of each,
        which you can change and delete afterwards.
      </p>
      <div className="mt-3 grid gap-3 md:grid-cols-[14rem_1fr]">
        {agent ? (
          <div>
            <div className="font-medium">Agent</div>
            <div className="text-muted">{visible(agent.name)}</div>
          </div>
        ) : (
          <Field
            label="Model"
            hint={
              models.length === 1 && models[0] === "simulated"
                ? "No provider has a key yet; the simulated model needs none, and does what the lines say."
                : "The simulated one needs no key."
            }
          >
            {(props) => (
              <select
                {...props}
                className={inputClass}
                value={chosen}
                onChange={(e) => setModel(e.target.value)}
              >
                {models.map((id) => (
                  <option key={id}>{id}</option>
                ))}
              </select>
            )}
          </Field>
        )}
        <Field label="Task">
          {(props) => (
            <textarea
              {...props}
              rows={5}
              className={`${inputClass} font-mono text-xs`}
              value={task}
              onChange={(event) => setTask(event.target.value)}
            />
          )}
        </Field>
      </div>
      {start.error && <ProblemNotice error={start.error} retry={() => start.mutate()} />}
      <div className="mt-3 flex justify-end">
        <Button
          look="primary"
          busy={start.isPending}
          disabled={task.trim() === ""}
          onClick={() => start.mutate()}
        >
          {agent ? "Start a session" : "Make the agent and start"}
        </Button>
      </div>
    </section>
  );
}
