import { z } from "zod";
import { idOf } from "./ids.ts";

/** The `multiagent` of an agent: as clients send it (`...Params`) and resolved to saved versions. */

const modelId = z.string().min(1).max(256);

const agentReferenceParams = z.strictObject({
  type: z.literal("agent"),
  id: idOf("agent"),
  version: z.int().min(1).optional(),
});
const selfParams = z.strictObject({ type: z.literal("self") });
const advisorParams = z.strictObject({ type: z.literal("advisor"), model: modelId });

const rosterEntry = z.union([
  idOf("agent"),
  z.discriminatedUnion("type", [agentReferenceParams, selfParams, advisorParams]),
]);
const predefinedAgent = z.union([
  idOf("agent"),
  z.discriminatedUnion("type", [agentReferenceParams, selfParams]),
]);
export type RosterEntryParams = z.infer<typeof rosterEntry>;

const holdsAtMostOne = (type: string) => (entries: RosterEntryParams[]) =>
  entries.filter((entry) => typeof entry === "object" && entry.type === type).length <= 1;

const coordinatorParams = z.strictObject({
  type: z.literal("coordinator"),
  agents: z
    .array(rosterEntry)
    .min(1)
    .max(20)
    .refine(holdsAtMostOne("self"), 'holds more than one "self"')
    .refine(holdsAtMostOne("advisor"), 'holds more than one "advisor"'),
});

const enabled = z.strictObject({ type: z.literal("enabled") });
const disabled = z.strictObject({ type: z.literal("disabled") });
const inlineAgents = z.discriminatedUnion("type", [enabled, disabled]);

const crewParams = z.discriminatedUnion("type", [
  enabled.extend({
    inline_agents: inlineAgents.nullish(),
    predefined_agents: z
      .array(predefinedAgent)
      .max(20)
      .refine(holdsAtMostOne("self"), 'holds more than one "self"')
      .nullish(),
  }),
  disabled,
]);
export type CrewParams = z.infer<typeof crewParams>;

const advisor = z.discriminatedUnion("type", [enabled.extend({ model: modelId }), disabled]);

const multiagent20261001Params = z.strictObject({
  type: z.literal("multiagent_20261001"),
  subagents: crewParams.nullish(),
  workflows: crewParams.nullish(),
  advisor: advisor.nullish(),
});

export const multiagentParams = z.discriminatedUnion("type", [coordinatorParams, multiagent20261001Params]);
export type MultiagentParams = z.infer<typeof multiagentParams>;

const agentReference = z.object({ type: z.literal("agent"), id: z.string(), version: z.int() });
export type AgentReference = z.infer<typeof agentReference>;

const coordinator = z.object({
  type: z.literal("coordinator"),
  agents: z.array(
    z.discriminatedUnion("type", [
      agentReference,
      z.object({ type: z.literal("advisor"), model: z.string() }),
    ]),
  ),
});

const crew = z.discriminatedUnion("type", [
  enabled.extend({ inline_agents: inlineAgents, predefined_agents: z.array(agentReference) }),
  disabled,
]);
export type Crew = z.infer<typeof crew>;

const multiagent20261001 = z.object({
  type: z.literal("multiagent_20261001"),
  subagents: crew,
  workflows: crew,
  advisor,
});

/** `subagents` and `workflows` are crews: who may be spawned, and who may take part in a workflow. */
export const multiagent = z.discriminatedUnion("type", [coordinator, multiagent20261001]);
export type Multiagent = z.infer<typeof multiagent>;
