import type { Environment } from "../../protocol/environments.ts";
import { invalid } from "../../protocol/errors.ts";
import type { EventParams } from "../../protocol/events.ts";
import type { ResourcesParams } from "../../protocol/session-resources.ts";
import type { SessionAgent } from "../../protocol/snapshots.ts";

/** What this version stores but cannot do: a session that would need it is refused, by the name of the field. */

export function requireSupportedAgent(agent: SessionAgent): void {
  if (agent.execution_identity.type !== "service_account") {
    throw invalid("agent.execution_identity: only service_account is supported");
  }
  if (agent.model.inference_geo) throw invalid("agent.model.inference_geo: is not supported");
}

export function requireSupportedResources(
  resources: ResourcesParams,
  { id, config }: Pick<Environment, "id" | "config">,
): void {
  if (resources.length > 0 && config.type === "self_hosted") throw notSelfHosted(id);
  resources.forEach(({ type }, i) => {
    if (type === "memory_store") throw invalid(`resources.${i}: ${type} resources are not supported yet`);
  });
}

/** In the words of the official API, which clients may look for. */
export const notSelfHosted = (environmentId: string) =>
  invalid(
    `Environment ${environmentId} is a self-hosted environment. \`resources\` are not supported with self-hosted environments.`,
  );

/** `path` is where the events stand in the request: `events` or `initial_events`. */
export function requireSupportedEvents(events: EventParams[], path: string): void {
  events.forEach((event, i) => {
    switch (event.type) {
      case "user.message":
      case "user.interrupt":
      case "user.tool_result":
      case "user.custom_tool_result":
        return;
      case "user.tool_confirmation":
        if (event.result === "allow" && event.deny_message) {
          throw invalid(`${path}.${i}.deny_message: is only for the result deny`);
        }
        return;
      case "system.message":
        return;
      case "user.define_outcome":
        throw invalid(`${path}.${i}: ${event.type} is not supported yet`);
    }
  });
}
