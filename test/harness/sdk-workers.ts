import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { EnvironmentWorkerOptions } from "@anthropic-ai/sdk/resources/beta/environments/work";
import type { SelfHosted } from "./self-hosted.ts";

/** The official SDK's worker, unmodified, in this process. `stop` waits for its end. */
export function sdkWorker(
  {
    client,
    environmentId,
    environmentKey,
  }: Pick<SelfHosted, "client"> & {
    environmentId: string;
    environmentKey: string;
  },
  options: Partial<EnvironmentWorkerOptions> & { workdir: string },
): { stop(): Promise<void> } {
  const stop = new AbortController();
  const running = client.beta.environments.work
    .worker({ environmentId, environmentKey, maxIdleMs: 300, ...options })
    .run(stop.signal)
    .catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
  return {
    async stop() {
      stop.abort();
      await running;
    },
  };
}

const script = join(import.meta.dirname, "worker-process.ts");

/** The same as a process, once it is about to poll. */
export async function workerProcess(
  { url, environmentId, key }: SelfHosted,
  { workdir, name, heard }: { workdir: string; name: string; heard?: (text: string) => void },
): Promise<ChildProcess> {
  const child = fork(script, [url, environmentId, key, workdir, name], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const output of [child.stdout, child.stderr]) output?.on("data", (data) => heard?.(String(data)));
  await once(child, "message");
  return child;
}

/** Ends it at once, and waits until it is gone. */
export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
