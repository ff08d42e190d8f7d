import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsAgent as Agent,
  AgentCreateParams,
  AgentUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/agents/agents";
import type {
  BetaEnvironment,
  EnvironmentCreateParams,
  EnvironmentUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/environments/environments";
import { z } from "zod";
import { createAgentBody } from "../../protocol/agents.ts";
import { createEnvironmentBody, packageManagers } from "../../protocol/environments.ts";
import type { Kind } from "./apply.ts";
import { once } from "./once.ts";

export const agentKind = (client: Anthropic): Kind<Agent> => ({
  noun: "agent",
  shape: z.looseObject({
    id: z.string().optional(),
    name: z.string().min(1),
    version: z.int().optional(),
    model: z.union([z.string(), z.looseObject({ id: z.string() })]),
  }),
  body: createAgentBody,
  whole: (wanted, before) => {
    const { multiagent = null, ...others } = wanted as typeof wanted & { multiagent?: unknown };
    return {
      description: null,
      system: null,
      tools: [],
      mcp_servers: [],
      skills: [],
      metadata: {},
      // Where it is the one that all have, nothing is to be cleared.
      ...(before?.execution_identity &&
        before.execution_identity.type !== "service_account" && { execution_identity: null }),
      ...others,
      multiagent: wholeMultiagent(multiagent),
    };
  },
  get: (id) => client.beta.agents.retrieve(id),
  all: () => client.beta.agents.list({ limit: 100 }),
  create: (fields) => client.beta.agents.create(fields as unknown as AgentCreateParams, once()),
  update: ({ id, version }, fields) =>
    client.beta.agents.update(id, { ...fields, version } as AgentUpdateParams),
});

export const environmentKind = (client: Anthropic): Kind<BetaEnvironment> => ({
  noun: "environment",
  shape: z.looseObject({
    id: z.string().optional(),
    name: z.string().min(1),
    config: z.looseObject({ type: z.string() }).optional(),
  }),
  body: createEnvironmentBody,
  whole: (wanted, before) => {
    const { config = { type: "cloud" }, ...others } = wanted as typeof wanted & { config?: Config };
    return { description: null, metadata: {}, ...others, config: wholeConfig(config, before?.config ?? {}) };
  },
  get: (id) => client.beta.environments.retrieve(id),
  all: () => client.beta.environments.list({ limit: 100 }),
  create: (fields) => client.beta.environments.create(fields as unknown as EnvironmentCreateParams, once()),
  update: ({ id }, fields) => client.beta.environments.update(id, fields as EnvironmentUpdateParams),
});

type Config = { type: string } & Record<string, unknown>;

/** As the server has it: an update keeps what it does not name. What only Drover knows is named where it is to be cleared. */
function wholeConfig({ type, networking, packages, ...others }: Config, before: object): Config {
  if (type !== "cloud") return { type, ...others };
  return {
    type,
    networking: wholeNetworking((networking ?? { type: "unrestricted" }) as Config),
    packages: {
      type: "packages",
      ...Object.fromEntries(packageManagers.map((name) => [name, []])),
      ...(packages as object | undefined),
    },
    ...Object.fromEntries(
      ["resources", "image", "setup"].filter((name) => name in before).map((name) => [name, null]),
    ),
    ...others,
  };
}

/** Of this type, too, an update keeps what it does not name. */
function wholeMultiagent(multiagent: unknown): unknown {
  const { type, subagents, workflows, advisor, ...others } = (multiagent ?? {}) as Record<string, unknown>;
  if (type !== "multiagent_20261001") return multiagent;
  return {
    type,
    subagents: wholeCrew(subagents),
    workflows: wholeCrew(workflows),
    advisor: advisor ?? { type: "disabled" },
    ...others,
  };
}

function wholeCrew(crew: unknown): unknown {
  const { type, ...others } = (crew ?? { type: "enabled" }) as Record<string, unknown>;
  if (type !== "enabled") return crew;
  return { type, inline_agents: { type: "enabled" }, predefined_agents: [], ...others };
}

const wholeNetworking = ({ type, ...others }: Config): Config =>
  type === "limited"
    ? { type, allowed_hosts: [], allow_mcp_servers: false, allow_package_managers: false, ...others }
    : { type, ...others };
