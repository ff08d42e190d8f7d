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
import { packageManagers } from "../../protocol/environments.ts";
import type { Kind } from "./apply.ts";
import { once } from "./once.ts";

export const agentKind = (client: Anthropic): Kind<Agent> => ({
  noun: "agent",
  shape: z.looseObject({
    id: z.string().optional(),
    name: z.string().min(1),
    model: z.union([z.string(), z.looseObject({ id: z.string() })]),
  }),
  whole: (wanted) => ({
    description: null,
    system: null,
    tools: [],
    mcp_servers: [],
    skills: [],
    metadata: {},
    ...wanted,
  }),
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
  whole: (wanted) => {
    const { config, ...others } = wanted as typeof wanted & { config?: Config };
    return { description: null, metadata: {}, ...others, config: wholeConfig(config ?? { type: "cloud" }) };
  },
  get: (id) => client.beta.environments.retrieve(id),
  all: () => client.beta.environments.list({ limit: 100 }),
  create: (fields) => client.beta.environments.create(fields as unknown as EnvironmentCreateParams, once()),
  update: ({ id }, fields) => client.beta.environments.update(id, fields as EnvironmentUpdateParams),
});

type Config = { type: string } & Record<string, unknown>;

/** As the server has it: an update keeps what it does not name. */
function wholeConfig({ type, networking, packages, ...others }: Config): Config {
  if (type !== "cloud") return { type, ...others };
  return {
    type,
    networking: wholeNetworking((networking ?? { type: "unrestricted" }) as Config),
    packages: {
      type: "packages",
      ...Object.fromEntries(packageManagers.map((name) => [name, []])),
      ...(packages as object | undefined),
    },
    resources: null,
    image: null,
    setup: null,
    ...others,
  };
}

const wholeNetworking = ({ type, ...others }: Config): Config =>
  type === "limited"
    ? { type, allowed_hosts: [], allow_mcp_servers: false, allow_package_managers: false, ...others }
    : { type, ...others };
