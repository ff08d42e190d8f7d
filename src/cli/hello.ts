import { connect } from "./client/connection.ts";
import { findOrCreateAgent, findOrCreateEnvironment, playTurn } from "./client/session.ts";
import { eventTree } from "./client/tree.ts";
import type { Terminal } from "./terminal.ts";

const task = `say I will look around in my sandbox.
bash echo "hello from $(uname -s), process $$ of a sandbox with $(nproc) cores" | tee /workspace/hello.txt
then
say The command ran in a sandbox of this session's own, and /workspace/hello.txt is there to stay.`;

/** One whole session on the simulated model, drawn while it happens: what a fresh installation shows first. */
export async function playHello(options: { baseUrl: string; apiKey: string; out: Terminal }): Promise<void> {
  const client = connect(options.baseUrl, options.apiKey);
  const agent = await findOrCreateAgent(client, { name: "hello", model: "simulated", system: null });
  const environment_id = await findOrCreateEnvironment(client, "hello");
  const session = await client.beta.sessions.create({ agent, environment_id, title: "hello" });
  const tree = eventTree(options.out);
  options.out.write(`session ${session.id}\n`);
  await playTurn(client, session.id, task, (event) => tree.show(event));
}
