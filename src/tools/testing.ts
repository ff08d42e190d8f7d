import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before } from "node:test";
import { bubblewrap } from "../hands/drivers/bubblewrap.ts";
import { type HandsHost, startHands } from "../hands/host.ts";
import { connectHands, type OneHost } from "../hands/one-host.ts";
import { type TestFolder, testFolder, testSpec } from "../hands/testing.ts";
import type { ToolResult } from "./tool.ts";
import { runTool } from "./toolset.ts";

/** The tools in a real sandbox, which is there from `before` to `after`. */
export interface ToolBench {
  /** Why there is none on this machine. */
  skip: string | false;
  folder: TestFolder;
  /** The workspace as the host sees it. */
  workspace: string;
  use(name: string, input: Record<string, unknown>, signal?: AbortSignal): Promise<ToolResult>;
  /** The text of a result that is no error. */
  says(name: string, input: Record<string, unknown>): Promise<string>;
  /** The text of one that is. */
  fails(name: string, input: Record<string, unknown>): Promise<string>;
  sh(command: string): Promise<string>;
  /** Ends the sandbox, and its host too; the next call finds new ones over the same workspace. */
  restart(): Promise<void>;
  forget(): Promise<void>;
}

const never = new AbortController().signal;
export const textOf = ({ content }: ToolResult) =>
  content.map((block) => (block.type === "text" ? block.text : `<${block.type}>`)).join("\n");

export async function toolBench(): Promise<ToolBench> {
  const folder = testFolder();
  const driver = bubblewrap({ data_dir: folder.path });
  const problem = await driver.check();
  const scope = { session_id: "sesn_tools", sandbox_id: "sbx_tools", epoch: 1 };
  const spec = { ...testSpec, limits: { ...testSpec.limits, file_bytes: 20 * 1024 ** 3 } };
  let host: HandsHost;
  let hands: OneHost;
  let calls = 0;

  async function start(): Promise<void> {
    const socket_path = join(folder.path, "hands.sock");
    host = await startHands({ socket_path, data_dir: folder.path, driver });
    hands = connectHands({ socket_path });
  }
  async function stop(): Promise<void> {
    hands.close();
    await host.close();
  }
  before(start);
  after(async () => {
    await stop();
    folder.remove();
  });

  function use(name: string, input: Record<string, unknown>, signal = never): Promise<ToolResult> {
    calls += 1;
    return runTool(
      { id: `sevt_${calls}`, name, input, started_seq: null },
      hands,
      { ...scope, spec, restore: false, mounts: 0, restore_known: null },
      signal,
    );
  }
  async function expected(is_error: boolean, name: string, input: Record<string, unknown>) {
    const result = await use(name, input);
    const text = textOf(result);
    assert.equal(result.is_error, is_error, text);
    return text;
  }

  return {
    skip: problem === null ? false : `no sandbox on this machine: ${problem}`,
    folder,
    workspace: join(folder.path, "sandboxes", scope.sandbox_id, "workspace"),
    use,
    says: (name, input) => expected(false, name, input),
    fails: (name, input) => expected(true, name, input),
    sh: (command) => expected(false, "bash", { command: `cd /workspace; ${command}` }),
    async restart() {
      await stop();
      await start();
    },
    forget: () => hands.destroy({ ...scope, keep_workspace: false, keep_checkpoints: false }),
  };
}
