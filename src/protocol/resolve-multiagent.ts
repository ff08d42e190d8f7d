import { invalid } from "./errors.ts";
import type {
  AgentReference,
  Crew,
  CrewParams,
  Multiagent,
  MultiagentParams,
  RosterEntryParams,
} from "./multiagent.ts";
import { withSelf } from "./multiagent-self.ts";

/** An agent that a roster may name, as it is stored now. */
export interface KnownAgent {
  /** The version asked for, or the latest one; null when there is no such version. */
  version: number | null;
  archived: boolean;
  coordinates: boolean;
  inferenceGeo: string | undefined;
}

/** What is asked of the store: the latest version unless one is named. */
export interface WantedAgent {
  id: string;
  version: number | null;
}

/** The agent whose roster this is. */
export interface Owner {
  id: string;
  /** The version that is being saved. */
  version: number;
  inferenceGeo: string | undefined;
}

type Place = (string | number)[];

type Roster = Exclude<RosterEntryParams, { type: "advisor" }>[];

const isAgent = (entry: RosterEntryParams): entry is Roster[number] =>
  typeof entry === "string" || entry.type !== "advisor";

const at = (place: Place) => place.join(".");

/**
 * The new configuration from the stored one and a request. A `coordinator` replaces what is stored; a
 * `multiagent_20261001` is merged into a stored one, level by level. What is kept stays at its version, except that
 * an agent which named itself names its next version.
 */
export function mergedMultiagent(
  resolved: Multiagent | null,
  params: MultiagentParams | null | undefined,
  owner: { id: string; version: number },
): MultiagentParams | null {
  const stored = resolved && withSelf(resolved, owner);
  if (params === undefined) return stored;
  if (params === null || params.type === "coordinator") return params;
  const base = stored?.type === params.type ? stored : undefined;
  return {
    type: params.type,
    subagents: mergedCrew(base?.subagents, params.subagents),
    workflows: mergedCrew(base?.workflows, params.workflows),
    advisor: params.advisor === undefined ? base?.advisor : params.advisor,
  };
}

function mergedCrew(
  stored: CrewParams | null | undefined,
  params: CrewParams | null | undefined,
): CrewParams | null | undefined {
  if (params === undefined) return stored;
  if (params?.type !== "enabled" || stored?.type !== "enabled") return params;
  return {
    type: "enabled",
    inline_agents: params.inline_agents === undefined ? stored.inline_agents : params.inline_agents,
    predefined_agents:
      params.predefined_agents === undefined ? stored.predefined_agents : params.predefined_agents,
  };
}

const rosters = (params: MultiagentParams): { place: Place; roster: Roster }[] =>
  params.type === "coordinator"
    ? [{ place: ["multiagent", "agents"], roster: params.agents.filter(isAgent) }]
    : (["subagents", "workflows"] as const).map((member) => {
        const crew = params[member];
        return {
          place: ["multiagent", member, "predefined_agents"],
          roster: (crew?.type === "enabled" && crew.predefined_agents) || [],
        };
      });

function wantedOf(entry: Roster[number]): WantedAgent[] {
  if (typeof entry === "string") return [{ id: entry, version: null }];
  return entry.type === "self" ? [] : [{ id: entry.id, version: entry.version ?? null }];
}

/** The agents to look up before `resolvedMultiagent` can answer. */
export const wantedAgents = (params: MultiagentParams): WantedAgent[] =>
  rosters(params).flatMap(({ roster }) => roster.flatMap(wantedOf));

/** `known` answers `wantedAgents`, in its order; undefined where there is no such agent. */
export function resolvedMultiagent(
  params: MultiagentParams,
  owner: Owner,
  known: (KnownAgent | undefined)[],
): Multiagent {
  const found = known.values();
  const resolved = rosters(params).map(({ place, roster }) => resolvedRoster(place, roster, owner, found));
  if (params.type === "coordinator") {
    const advisors = params.agents.filter((entry) => typeof entry === "object" && entry.type === "advisor");
    return { type: params.type, agents: [...(resolved[0] ?? []), ...advisors] };
  }
  const crew = (member: "subagents" | "workflows", roster: AgentReference[] = []): Crew => {
    const given = params[member] ?? { type: "enabled" };
    if (given.type === "disabled") return given;
    const inline = given.inline_agents ?? { type: "enabled" };
    if (inline.type === "disabled" && roster.length === 0) {
      throw invalid(
        `multiagent.${member}.predefined_agents: must name an agent when inline_agents is disabled`,
      );
    }
    return { type: "enabled", inline_agents: inline, predefined_agents: roster };
  };
  return {
    type: params.type,
    subagents: crew("subagents", resolved[0]),
    workflows: crew("workflows", resolved[1]),
    advisor: params.advisor ?? { type: "disabled" },
  };
}

function resolvedRoster(
  place: Place,
  roster: Roster,
  owner: Owner,
  found: Iterator<KnownAgent | undefined>,
): AgentReference[] {
  const seen = new Set<string>();
  return roster.map((entry, index) => {
    const here = [...place, index];
    const reference: AgentReference =
      typeof entry === "object" && entry.type === "self"
        ? { type: "agent", id: owner.id, version: owner.version }
        : checkedReference(here, typeof entry === "string" ? entry : entry.id, owner, found.next().value);
    if (seen.has(reference.id)) throw invalid(`${at(here)}: agent ${reference.id} is listed twice`);
    seen.add(reference.id);
    return reference;
  });
}

function checkedReference(
  place: Place,
  id: string,
  owner: Owner,
  known: KnownAgent | undefined,
): AgentReference {
  if (!known || known.version === null) throw invalid(`${at(place)}: agent ${id} not found in that version`);
  if (known.archived) throw invalid(`${at(place)}: agent ${id} is archived`);
  if (known.coordinates) throw invalid(`${at(place)}: agent ${id} has multiagent set itself`);
  if (owner.inferenceGeo && known.inferenceGeo && owner.inferenceGeo !== known.inferenceGeo) {
    throw invalid(`${at(place)}: agent ${id} runs in another inference_geo (${known.inferenceGeo})`);
  }
  return { type: "agent", id, version: known.version };
}
