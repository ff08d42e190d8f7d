import { type Group, notYet } from "../suite.ts";

/** Sections of the checklist that nothing is checked of yet. */
const section = (title: string, reason: string, items: [number, string][]): Group => ({
  title,
  items: items.map(([number, text]) => notYet(number, text, reason)),
});

export const memory = section("Memory", "memory stores are not built yet", [
  [75, "Paths follow their rules, and a conflict names what it conflicts with"],
  [76, "A stale precondition is a conflict, unless the content is the same already"],
  [77, "Listing by depth, prefix and view"],
  [78, "Versions, redaction, and what outlives a deleted memory"],
  [79, "What the agent writes under the mount makes versions; a read-only mount refuses"],
  [80, "Stores are mounted in sessions of deployments too"],
]);

export const multiagent = section("Multi-agent", "sessions of several agents are not built yet", [
  [83, "The roster of a coordinator is checked and pinned when it is saved"],
  [84, "Child threads show on the primary stream, and calls of theirs can be answered there"],
  [85, "25 children live at a time; archiving an idle one makes room"],
  [86, "The session runs until all threads and workflow runs have stopped"],
]);

export const deployments = section(
  "Deployments, dreams, webhooks",
  "deployments, dreams and webhooks are not built yet",
  [
    [94, "Schedules fire in their zone across both changes of the clock, once a slot"],
    [95, "An archived environment pauses a deployment, an archived agent archives it"],
    [96, "Each run has a session or an error; its sessions name the deployment"],
    [97, "A dream makes a new store and leaves its input alone"],
    [98, "Webhooks can be verified with the SDK, and are sent three times at most"],
  ],
);
