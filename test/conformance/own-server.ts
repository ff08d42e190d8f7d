import { join } from "node:path";
import { startCluster } from "../../src/db/testing.ts";
import { startEgress } from "../../src/egress/egress.ts";
import { startGitServer } from "../fakes/git-server.ts";
import { testKey } from "../harness/headers.ts";
import { startTestServer } from "../harness/server.ts";
import type { Target } from "./context.ts";

/** A Drover of the suite's own, as the tests start it. */
export interface OwnServer {
  target: Target;
  close(): Promise<void>;
}

/** `anthropic_url`: where its `claude-...` models are. */
export async function startOwnServer(options: { anthropic_url?: string } = {}): Promise<OwnServer> {
  const cluster = process.env.DROVER_TEST_POSTGRES ? null : await startCluster();
  if (cluster) process.env.DROVER_TEST_POSTGRES = cluster.url;
  const git = await startGitServer();
  git.create("octocat/Hello-World", { README: "Hello World!" });
  const server = await startTestServer({
    ...options,
    // Where the suite has servers of its own, such as those of MCP.
    allow_private_hosts: ["127.0.0.1"],
    repository_hosts: [{ url: git.url, private_network: true }],
  });
  const egress = await startEgress({
    socket_path: join(server.hands.folder, "egress.sock"),
    allow_private_hosts: [],
    package_hosts: [],
  });
  return {
    target: {
      url: server.url,
      api_key: testKey,
      model: "simulated",
      wait_ms: 60_000,
      repository: `${git.url}/octocat/Hello-World`,
    },
    async close() {
      await server.close();
      await egress.close();
      await git.close();
      await cluster?.stop();
    },
  };
}
