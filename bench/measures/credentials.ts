import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { createServer } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { makeSessionAuthority } from "../../src/vault/authority.ts";
import { listenForEgress } from "../../src/vault/socket.ts";
import { carried, certificateOf, listen, upstreamAddress } from "../../test/harness/egress.ts";
import { startPart } from "../../test/harness/part.ts";
import type { Figure } from "../figure.ts";
import { percentile } from "../stats.ts";

const placeholder = "sk-ant-PLACEHOLDERplaceholder0001";
const secret = "sk-ant-the-real-and-secret-value1";

/**
 * What it takes that a request has a credential put in and its answer redacted, against the same request through a tunnel that
 * nobody reads. Both by one `drover egress`, on connections that are open already, in turns.
 */
export async function credentials(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "drover-bench-"));
  const tls = await certificateOf(folder, upstreamAddress);
  const authority = await makeSessionAuthority("sesn_bench", Date.now());
  const body = JSON.stringify({ answer: "x".repeat(2_000) });
  const host = createServer(tls, (asked, response) => {
    asked.resume();
    response.setHeader("x-was-secret", String(asked.headers["x-key"] === secret)).end(body);
  });
  const port = await listen(host);
  const vault_socket = join(folder, "vault.sock");
  const vault = await listenForEgress({ socket_path: vault_socket });
  vault.answer({
    resolve: async () => ({
      authority,
      secrets: [
        {
          type: "environment_variable",
          id: "cred_bench",
          placeholder,
          secret,
          hosts: [upstreamAddress],
          header: true,
          body: true,
        },
      ],
    }),
    note: async () => {},
  });
  const socket_path = join(folder, "egress.sock");
  const egress = await startPart(["egress", "--socket", socket_path, "--vault-socket", vault_socket], {
    PATH: process.env.PATH,
    DROVER_DATA_DIR: join(folder, "data"),
    XDG_RUNTIME_DIR: folder,
    DROVER_ALLOW_PRIVATE_HOSTS: upstreamAddress,
    NODE_EXTRA_CA_CERTS: tls.ca_file,
  });

  async function program(pass: string | null): Promise<() => Promise<number>> {
    const socket = connect(socket_path);
    const to = `${upstreamAddress}:${port}`;
    socket.write(`${JSON.stringify(carried({ pass }))}\nCONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
    await once(socket, "data");
    const ca = pass === null ? tls.ca : authority.certificate;
    const secured = connectTls({ socket, host: upstreamAddress, ca });
    await once(secured, "secureConnect");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = () => secured;
    return async () => {
      const started = performance.now();
      const asked = request({
        agent,
        host: upstreamAddress,
        port,
        method: "POST",
        headers: { "x-key": placeholder },
      });
      asked.end(JSON.stringify({ question: placeholder }));
      const [response] = await once(asked, "response");
      let bytes = 0;
      for await (const chunk of response) bytes += chunk.length;
      if (bytes !== body.length || response.headers["x-was-secret"] !== String(pass !== null))
        throw new Error("it was not carried as it should be");
      return performance.now() - started;
    };
  }

  const [plain, used] = [await program(null), await program("a pass")];
  const took = { plain: [] as number[], used: [] as number[] };
  for (let n = 0; n < 600; n += 1) {
    const one = { plain: await plain(), used: await used() };
    // Both are warm then.
    if (n < 100) continue;
    took.plain.push(one.plain);
    took.used.push(one.used);
  }
  egress.kill("SIGTERM");
  await once(egress, "exit");
  await vault.close();
  host.close();
  host.closeAllConnections();
  rmSync(folder, { recursive: true });

  const about = { area: "egress", unit: "ms" } as const;
  const [through, within] = [percentile(took.plain, 0.5), percentile(took.used, 0.5)];
  return [
    { ...about, what: "one request on a warm connection, tunnelled; p50", value: through },
    { ...about, what: "one request on a warm connection, with a credential; p50", value: within },
    { ...about, what: "what the credential adds, p50", value: within - through, bar: { at_most: 3 } },
  ];
}
