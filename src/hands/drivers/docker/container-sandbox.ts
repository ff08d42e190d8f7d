import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { limits } from "../../../limits.ts";
import { type Namespace, type Sandbox, Unavailable } from "../../driver.ts";
import { proxy } from "../../network/inside.ts";
import { lastSaid } from "../first-process.ts";
import { createInit, type Init } from "../init.ts";
import { pipesInside, toolResultsInside } from "../isolation.ts";
import { outputFiles } from "../output-files.ts";
import type { PipeSets } from "../pipes.ts";
import type { SandboxFolder } from "../sandbox-folders.ts";
import { type Engine, EngineError } from "./engine.ts";
import { splitFrames } from "./frames.ts";

const createdShape = z.object({ Id: z.string() });
const runningShape = z.object({ State: z.object({ Pid: z.int().positive() }) });

const noSandbox = (said: string) => `no sandbox could be started (${said})`;

/** One of the same name is of a sandbox of the same files, which the engine was too far away to end. */
export async function createContainer(engine: Engine, name: string, container: object): Promise<string> {
  const asked = () => engine.ask("POST", `/containers/create?name=${name}`, container);
  try {
    const answer = await asked().catch(async (error: unknown) => {
      if (!(error instanceof EngineError && error.status === 409)) throw error;
      await removeContainer(engine, name);
      return asked();
    });
    return createdShape.parse(answer).Id;
  } catch (error) {
    throw error instanceof EngineError ? new Unavailable(noSandbox(error.message)) : error;
  }
}

/** Whether it runs or not, unless it is gone already. */
export async function removeContainer(engine: Engine, container: string): Promise<void> {
  try {
    await engine.ask("DELETE", `/containers/${container}?force=true&v=true`);
  } catch (error) {
    // Being removed already is a conflict.
    if (!(error instanceof EngineError && (error.status === 404 || error.status === 409))) throw error;
  }
}

export async function startContainer(
  engine: Engine,
  made: {
    id: string;
    container: string;
    folder: SandboxFolder;
    network: Namespace | undefined;
    pipes: PipeSets;
    isGvisor: boolean;
  },
): Promise<Sandbox> {
  const { id, container, folder, network, pipes, isGvisor } = made;
  const stream = await engine.attach(container);
  stream.on("error", () => {});
  const { stdout, stderr: errors } = splitFrames(stream);
  const said = lastSaid(errors);
  const init = createInit(stream, stdout, pipes, pipesInside);
  const ended = engine.removed(container).then(() => {
    init.end();
    said.whole().then(() => stream.destroy());
  });

  async function destroy(): Promise<void> {
    await removeContainer(engine, container);
    await ended;
  }

  try {
    await engine.ask("POST", `/containers/${container}/start`);
  } catch (error) {
    await destroy();
    throw error instanceof EngineError ? new Unavailable(noSandbox(error.message)) : error;
  }
  const timer = setTimeout(
    () => void removeContainer(engine, container).catch(() => {}),
    limits.sandbox_start_ms_max,
  );
  const up = await Promise.race([init.ready.then(() => true), ended.then(() => false)]);
  clearTimeout(timer);
  if (!up) throw new Unavailable(noSandbox((await said.whole()) || "its first process ended"));
  try {
    if (isGvisor) await seeThatItRuns(init);
    if (network) await attachNetwork(engine, container, network, init);
  } catch (error) {
    await destroy();
    throw error;
  }
  const keepOutput = outputFiles({
    folder: folder.tool_results,
    inside: toolResultsInside,
    gid: folder.user.gid,
  });
  return { id, ended, spawn: init.spawn, keepOutput, destroy };
}

/** By gVisor no program can open a pipe of the host's, unless its runtime was told to let it. */
async function seeThatItRuns(init: Init): Promise<void> {
  const { stdout } = await init.spawn(["bash", "-c", "echo runs"], { control: false });
  const late = delay(limits.sandbox_start_ms_max, null, { ref: false });
  if ((await Promise.race([text(stdout), late])) === "runs\n") return;
  throw new Unavailable(
    'no program can be run in a sandbox of this runtime: have it open pipes, by "runtimeArgs": ["--network=none", "--host-fifo=open"] in the daemon.json of the engine',
  );
}

/** The container comes with a namespace of its own, and so may its runtime. */
async function attachNetwork(
  engine: Engine,
  container: string,
  network: Namespace,
  init: Init,
): Promise<void> {
  const { State } = runningShape.parse(await engine.ask("GET", `/containers/${container}/json`));
  await network.listenIn(State.Pid);
  const knock = await init.spawn(["bash", "-c", `: </dev/tcp/${proxy.host}/${proxy.port}`], {
    control: false,
  });
  if ((await knock.exited) === 0) return;
  throw new Unavailable(
    "the runtime of the container engine has a network of its own, in which nobody can listen: choose another runtime (DROVER_DOCKER_RUNTIME), DROVER_DRIVER=gvisor, or environments without a network",
  );
}
