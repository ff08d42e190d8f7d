import type { Agent } from "../../../src/protocol/agents.ts";
import type { ModelInfo } from "../../../src/protocol/models.ts";
import { ask } from "../api/request.ts";
import { firstAgent } from "./agent-config.ts";
import { startScratch } from "./scratch.ts";

/** What somebody who has just come may begin with. */

const isSimulated = (model: string) => model.split("/")[0] === "simulated";

/** The models that an agent may have, those of providers first: the simulated one needs no key. */
export const modelsOf = (models: readonly ModelInfo[]): string[] => {
  const ids = models.map(({ id }) => id);
  return [...ids.filter((id) => !isSimulated(id)), ...ids.filter((id) => id === "simulated")];
};

/** The simulated model does what the lines say, any other one what they ask for. */
export const firstTask = (model: string): string =>
  isSimulated(model)
    ? `say I look around first.
bash uname -sr; pwd; echo "Hello from the sandbox" | tee hello.txt
then
say That was a real command, in a sandbox of this session's own. The file hello.txt is still there for the next one.`
    : "Look around with bash: which system is this, and what is in your folder? Then tell me in two sentences.";

/** The agent, an environment for it, and a session that begins with the task. */
export async function startFirst(
  model: string,
  task: string,
  agent: Agent | undefined,
): Promise<{ id: string }> {
  const { id } =
    agent ?? (await ask<Agent>("/v1/agents", { method: "POST", body: { ...firstAgent, model } }));
  return startScratch(id, { title: "My first session", task });
}
