import { agents } from "./cases/agents.ts";
import { budgets } from "./cases/budgets.ts";
import { durability } from "./cases/durability.ts";
import { environments } from "./cases/environments.ts";
import { events } from "./cases/events.ts";
import { files } from "./cases/files.ts";
import { interrupts } from "./cases/interrupts.ts";
import { deployments, memory, multiagent } from "./cases/later.ts";
import { sandboxes } from "./cases/sandboxes.ts";
import { sessions } from "./cases/sessions.ts";
import { skills } from "./cases/skills.ts";
import { streams } from "./cases/streams.ts";
import { systemMessages } from "./cases/system-messages.ts";
import { tools } from "./cases/tools.ts";
import { transport } from "./cases/transport.ts";
import { vaults } from "./cases/vaults.ts";
import { worker } from "./cases/worker.ts";
import type { Group } from "./suite.ts";

/** What a compatible server does, from item 1 to item 100. */
export const checklist: Group[] = [
  transport,
  agents,
  environments,
  sessions,
  events,
  streams,
  interrupts,
  tools,
  systemMessages,
  files,
  sandboxes,
  skills,
  vaults,
  memory,
  budgets,
  multiagent,
  worker,
  deployments,
  durability,
];
