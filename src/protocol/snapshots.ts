import { z } from "zod";
import { agentSnapshotShape } from "./agents.ts";

/** The agent as it was when a thread began. */
export const threadAgent = z.object({
  id: z.string(),
  type: z.literal("agent"),
  version: z.int(),
  ...agentSnapshotShape,
});
export type ThreadAgent = z.infer<typeof threadAgent>;

/** The agent as a session runs it, overrides applied. */
export const sessionAgentSnapshot = z.object({ ...threadAgent.shape, multiagent: z.null() });
export type SessionAgent = z.infer<typeof sessionAgentSnapshot>;
