import type { AssistantBlock, ModelFailure, ModelStop, ModelUsage } from "../models/model.ts";
import type { ToolResultContentBlock } from "../protocol/content.ts";
import type { PreviewedIds } from "./preview.ts";
import type { State, Thread } from "./state.ts";

/** How an effect ended. */
export type Outcome =
  | {
      type: "model_replied";
      thread_id: string;
      request_id: string;
      content: AssistantBlock[];
      stop: ModelStop;
      usage: ModelUsage;
      /** Ids that previews have already promised. */
      previewed: PreviewedIds;
    }
  | { type: "model_failed"; thread_id: string; request_id: string; failure: ModelFailure; usage: ModelUsage }
  | { type: "model_aborted"; thread_id: string; request_id: string; usage: ModelUsage }
  | {
      type: "tool_finished";
      thread_id: string;
      tool_use_id: string;
      content: ToolResultContentBlock[];
      is_error: boolean;
    };

export const threadOf = (state: State, id: string): Thread => {
  const thread = state.threads.get(id);
  if (!thread) throw new Error(`thread ${id} is not in the log`);
  return thread;
};
