import Anthropic from "@anthropic-ai/sdk";

/** The official SDK's worker as a process of its own: `<url> <environment id> <environment key> <folder> <name>`. */
const [baseURL, environmentId, environmentKey, workdir, workerId] = process.argv.slice(2);
if (!baseURL || !environmentId || !environmentKey || !workdir || !workerId) {
  throw new Error("give the url, the environment, its key, a folder and a name");
}
const client = new Anthropic({ baseURL, apiKey: null, authToken: environmentKey, logLevel: "warn" });
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
const worker = client.beta.environments.work.worker({
  environmentId,
  environmentKey,
  workdir,
  workerId,
  maxIdleMs: 300,
});
process.send?.("ready");
await worker.run(stop.signal).catch((error: unknown) => {
  if (!stop.signal.aborted) throw error;
});
process.disconnect?.();
