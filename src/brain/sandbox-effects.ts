import type { SandboxSettings } from "../config/sandboxes.ts";
import type { Hands, SandboxScope } from "../hands/client.ts";
import type { CloudConfig } from "../protocol/environments.ts";
import { sandboxSpec } from "../tools/sandbox-spec.ts";
import { failed, type ToolResult } from "../tools/tool.ts";
import { cancelTool, keepOutput, runTool, setUpSandbox } from "../tools/toolset.ts";
import { CredentialsUnusable, type DrivenCredentials, redacted } from "./credentials.ts";
import type { Effects } from "./drive.ts";
import { placeRepositories, type RepositorySource } from "./place-repositories.ts";
import type { Restoring } from "./restoring.ts";
import type { AgentFacts } from "./session.ts";
import type { Call } from "./state.ts";

/** What a drive does in the session's sandbox. */
export interface SandboxEffects
  extends Pick<Effects, "prepareSandbox" | "setUp" | "placeRepositories" | "cancelSetUp" | "cancelTool"> {
  runTool(call: Call, restoring: Restoring, signal: AbortSignal): Promise<ToolResult>;
  /** What is too long to be shown of a result that came from elsewhere. Null: there is no sandbox to keep it in. */
  keepOutput:
    | ((call: Call, text: string, restoring: Restoring, signal: AbortSignal) => ReturnType<typeof keepOutput>)
    | null;
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
    credentials,
    over,
  }: {
    environment: CloudConfig;
    agent: AgentFacts;
    settings: Pick<SandboxSettings, "defaults" | "network">;
    workspace_id: string;
    repositories: RepositorySource;
    /** Null where the session has none. */
    credentials: DrivenCredentials | null;
    /** Aborts when this brain gives the session up: what it fetches nobody would take. */
    over: AbortSignal;
  },
): SandboxEffects {
  const plain = sandboxSpec({ environment, agent, settings });
  const specOf = async () =>
    credentials ? { ...plain, credentials: await credentials.forSandbox() } : plain;

  async function setUp(...[contents, onProgress, signal]: Parameters<Effects["setUp"]>) {
    const [spec, redactor] = await Promise.all([specOf(), credentials?.redactor()]);
    const say = redactor ? (line: string) => onProgress(redactor.text(line)) : onProgress;
    const result = await setUpSandbox({ ...scope, spec, ...contents }, hands, say, signal);
    return redactor ? redactor.within(result) : result;
  }

  async function run(...[call, restoring, signal]: Parameters<SandboxEffects["runTool"]>) {
    const hide = async (result: ToolResult) =>
      credentials ? redacted(result, await credentials.redactor()) : result;
    return hide(await runTool(call, hands, { ...scope, spec: await specOf(), ...restoring }, signal, hide));
  }

  const keep: NonNullable<SandboxEffects["keepOutput"]> = async (call, text, restoring, signal) =>
    keepOutput(call, text, hands, { ...scope, spec: await specOf(), ...restoring }, signal);

  return {
    prepareSandbox(contents) {
      // A sandbox that cannot be made is told of by the call that needs it.
      specOf()
        .then((spec) => hands.provision({ ...scope, spec, ...contents }))
        .catch(() => {});
    },
    setUp: (...asked) =>
      setUp(...asked).catch((error) => ({ status: "unavailable" as const, reason: unusable(error) })),
    async placeRepositories(due, { setup_id, ...restoring }, onProgress, signal) {
      const spec = await specOf();
      return placeRepositories(
        due,
        repositories,
        hands,
        { workspace_id, setup_id, sandbox: { ...scope, spec, ...restoring } },
        onProgress,
        AbortSignal.any([signal, over]),
      );
    },
    cancelSetUp() {
      hands.cancelSetUp(scope).catch(() => {});
    },
    cancelTool(call) {
      // Whether it still ran is not known; its result is in the log already.
      cancelTool(call, hands, scope).catch(() => {});
    },
    runTool: (...asked) =>
      run(...asked).catch((error) => failed(`No sandbox is available: ${unusable(error)}`)),
    keepOutput: (...asked) =>
      keep(...asked).catch((error) => {
        unusable(error);
        return { kept: null };
      }),
  };
}

/** What is to be said to the model; all else is thrown. */
function unusable(error: unknown): string {
  if (error instanceof CredentialsUnusable) return error.message;
  throw error;
}

/** Of a session whose tools are run by workers of its environment. */
export const noSandbox: SandboxEffects = {
  prepareSandbox() {},
  setUp: async () => ({ status: "unavailable", reason: "the environment is self_hosted" }),
  placeRepositories: async () => [],
  cancelSetUp() {},
  cancelTool() {},
  runTool: async ({ name }) => failed(`The tool "${name}" is not available on this server.`),
  keepOutput: null,
};
