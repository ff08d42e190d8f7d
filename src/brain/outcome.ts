import type { Restored, SetUpResult } from "../hands/wire.ts";
import {
  type AssistantBlock,
  addUsage,
  type ModelFailure,
  type ModelStop,
  type ModelUsage,
  type ModelUse,
  noUsage,
  type ServedBy,
} from "../models/model.ts";
import type { ToolResultContentBlock } from "../protocol/content.ts";
import type { Evaluation, Recovery } from "../protocol/events.ts";
import type { NetworkUse } from "../protocol/network-use.ts";
import type { McpFailure, McpListed } from "./mcp.ts";
import type { PreviewedIds } from "./preview.ts";
import type { RepositoryOutcome } from "./repositories.ts";
import type { McpServer } from "./session.ts";
import type { State, Thread } from "./state.ts";

/** What the policy `auto` comes to for one call. */
export type Judgement = Extract<Evaluation, { type: "auto" }>["evaluated_permission"];

/** The model that was asked for judgements, and what that took. */
export interface JudgeCost {
  model: string;
  usage: ModelUsage;
}

/** A model request that has ended, and what it took. */
interface Asked {
  thread_id: string;
  request_id: string;
  usage: ModelUsage;
  served_by?: ServedBy | undefined;
}

/** What was made before the first call, and what was brought of repositories. */
export type SetUpEnd =
  | { status: "ready"; repositories: RepositoryOutcome[] }
  | Exclude<SetUpResult, { status: "ready" }>;

/** How an effect ended. */
export type Outcome =
  | (Asked & {
      type: "model_replied";
      content: AssistantBlock[];
      stop: ModelStop;
      /** Ids that previews have already promised. */
      previewed: PreviewedIds;
      /** By the place of a block in the content; null where it is not a call under `auto`. */
      judgements: (Judgement | null)[];
      /** Null: nobody was asked. */
      judge: JudgeCost | null;
    })
  /** The notes that a compaction goes on from. */
  | (Asked & { type: "summarised"; summary: string })
  | (Asked & { type: "model_failed"; failure: ModelFailure })
  | (Asked & {
      type: "model_aborted";
      /** What was spent on judging the reply before the abort. */
      judge: JudgeCost | null;
    })
  /** A server was asked for its tools. */
  | { type: "mcp_listed"; thread_id: string; server: McpServer; result: McpListed }
  /** It has others now. `at_once`: nothing ran when it said so. */
  | { type: "mcp_changed"; thread_id: string; server_name: string; at_once: boolean }
  | { type: "setup_ongoing"; thread_id: string; setup_id: string; line: string }
  | {
      type: "setup_ended";
      thread_id: string;
      setup_id: string;
      result: SetUpEnd | { status: "aborted" };
    }
  | {
      type: "tool_finished";
      thread_id: string;
      tool_use_id: string;
      content: ToolResultContentBlock[];
      is_error: boolean;
      /** What became of the call, where it was lost while it ran. */
      recovery?: Recovery;
      /** What became of the workspace, where the sandbox was not there any more. */
      restored?: Restored;
      /** What the sandbox used of the network, since it was told of last. */
      network?: NetworkUse | undefined;
      /** Searches of the web that the call has made; none where it says nothing. */
      web_searches?: number;
      /** A model that the call has asked. */
      model_use?: ModelUse;
      /** Of an MCP server that could not be reached, or would not have us: the client is told. */
      failure?: { status: McpFailure; message: string; url: string };
      /** What is shown of the result is kept whole in the sandbox, which was made for that if there was none. */
      uses_sandbox?: boolean;
    };

export const threadOf = (state: State, id: string): Thread => {
  const thread = state.threads.get(id);
  if (!thread) throw new Error(`thread ${id} is not in the log`);
  return thread;
};

/** What a request took, its judgements included. */
export const usageOf = ({ usage, judge }: { usage: ModelUsage; judge: JudgeCost | null }): ModelUsage =>
  addUsage(usage, judge?.usage ?? noUsage);
