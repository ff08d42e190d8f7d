import type { SandboxSettings } from "../config/sandboxes.ts";
import type { Hands, SandboxScope } from "../hands/client.ts";
import type { CloudConfig } from "../protocol/environments.ts";
import { sandboxSpec } from "../tools/sandbox-spec.ts";
import { failed, type ToolResult } from "../tools/tool.ts";
import { cancelTool, runTool, setUpSandbox } from "../tools/toolset.ts";
import type { Effects } from "./drive.ts";
import { placeRepositories, type RepositorySource } from "./place-repositories.ts";
import type { Restoring } from "./restoring.ts";
import type { AgentFacts } from "./session.ts";
import type { Call } from "./state.ts";

/** What a drive does in the session's sandbox. */
export interface SandboxEffects
  extends Pick<Effects, "prepareSandbox" | "setUp" | "placeRepositories" | "cancelSetUp" | "cancelTool"> {
  runTool(call: Call, restoring: Restoring, signal: AbortSignal): Promise<ToolResult>;
}

export function sandboxEffects(
  hands: Hands,
  scope: SandboxScope,
  {
    environment,
    agent,
    settings,
    workspace_id,
    repositories,
    over,
  }: {
    environment: CloudConfig;
    agent: AgentFacts;
    settings: Pick<SandboxSettings, "defaults" | "network">;
    workspace_id: string;
    repositories: RepositorySource;
    /** Aborts when this brain gives the session up: what it fetches nobody would take. */
    over: AbortSignal;
  },
): SandboxEffects {
  const spec = sandboxSpec({ environment, agent, settings });
  return {
    prepareSandbox(contents) {
      // A sandbox that cannot be made is told of by the call that needs it.
      hands.provision({ ...scope, spec, ...contents }).catch(() => {});
    },
    setUp: (contents, onProgress, signal) =>
      setUpSandbox({ ...scope, spec, ...contents }, hands, onProgress, signal),
    placeRepositories: (due, { setup_id, ...restoring }, onProgress, signal) =>
      placeRepositories(
        due,
        repositories,
        hands,
        { workspace_id, setup_id, sandbox: { ...scope, spec, ...restoring } },
        onProgress,
        AbortSignal.any([signal, over]),
      ),
    cancelSetUp() {
      hands.cancelSetUp(scope).catch(() => {});
    },
    cancelTool(call) {
      // Whether it still ran is not known; its result is in the log already.
      cancelTool(call, hands, scope).catch(() => {});
    },
    runTool: (call, restoring, signal) => runTool(call, hands, { ...scope, spec, ...restoring }, signal),
  };
}

/** Of a session whose tools are run by workers of its environment. */
export const noSandbox: SandboxEffects = {
  prepareSandbox() {},
  setUp: async () => ({ status: "unavailable", reason: "the environment is self_hosted" }),
  placeRepositories: async () => [],
  cancelSetUp() {},
  cancelTool() {},
  runTool: async ({ name }) => failed(`The tool "${name}" is not available on this server.`),
};
