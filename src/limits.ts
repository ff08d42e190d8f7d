import { brains } from "./limits/brains.ts";
import { checkpoints } from "./limits/checkpoints.ts";
import { consoles } from "./limits/console.ts";
import { credentials } from "./limits/credentials.ts";
import { database } from "./limits/database.ts";
import { environments } from "./limits/environments.ts";
import { files } from "./limits/files.ts";
import { hands } from "./limits/hands.ts";
import { mcp } from "./limits/mcp.ts";
import { models } from "./limits/models.ts";
import { networks } from "./limits/networks.ts";
import { outputs } from "./limits/outputs.ts";
import { repositories } from "./limits/repositories.ts";
import { requests } from "./limits/requests.ts";
import { sandboxes } from "./limits/sandboxes.ts";
import { skills } from "./limits/skills.ts";
import { tools } from "./limits/tools.ts";
import { turns } from "./limits/turns.ts";
import { web } from "./limits/web.ts";
import { work } from "./limits/work.ts";

/** Every bound in one place. The unit is in the name, or it is a count. */
export const limits = {
  ...database,
  ...brains,
  ...requests,
  ...consoles,
  ...files,
  ...skills,
  ...repositories,
  ...work,
  ...models,
  ...turns,
  ...tools,
  ...web,
  ...mcp,
  ...environments,
  ...sandboxes,
  ...checkpoints,
  ...networks,
  ...credentials,
  ...hands,
  ...outputs,
} as const;
