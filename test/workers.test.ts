import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startTestServer } from "./harness/server.ts";
import { follow, isIdle, isOf, listed, message, saidIn, send } from "./harness/session.ts";

const api = await startTestServer();
const folder = mkdtempSync(join(tmpdir(), "drover-worker-"));
after(async () => {
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the SDK's worker serves a session from end to end", async () => {
  const agent = await api.client.beta.agents.create({
    name: "tester",
    model: "simulated",
    tools: [{ type: "agent_toolset_20260401" }],
  });
  const environment = await api.client.beta.environments.create({
    name: "own",
    config: { type: "self_hosted" },
  });
  const { key } = (await api.client.post(`/v1/environments/${environment.id}/keys`, { body: {} })) as {
    key: string;
  };
  const stop = new AbortController();
  const worker = api.client.beta.environments.work
    .worker({
      environmentId: environment.id,
      environmentKey: key,
      workdir: folder,
      maxIdleMs: 200,
      workerId: "w1",
    })
    .run(stop.signal);
  const session = await api.client.beta.sessions.create({ agent: agent.id, environment_id: environment.id });
  const stream = await follow(api.client, session.id);
  await send(api.client, session.id, message('call bash {"command":"echo made > here; pwd"}\nthen\necho'));
  await stream.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
  const [result] = stream.events.filter(isOf("user.tool_result"));
  console.log(JSON.stringify(result), saidIn(stream.events));
  console.log((await listed(api.client, session.id)).map(({ type }) => type).join("\n"));
  console.log(JSON.stringify(await api.client.beta.sessions.retrieve(session.id)));
  stop.abort();
  await worker.catch(() => {});
});
