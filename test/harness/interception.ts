import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import type { CarryLine, OpenNetwork } from "../../src/net/egress-wire.ts";
import type { SessionSecret, Use } from "../../src/net/vault-wire.ts";
import { makeSessionAuthority } from "../../src/vault/authority.ts";
import { listenForEgress } from "../../src/vault/socket.ts";
import { certificateOf, type EgressRig, egressRig, readAll, upstreamAddress } from "./egress.ts";
import { waiting } from "./waiting.ts";

export const session_id = "sesn_1";
export const pass = "the pass of that session";

/** Egress with a serve that knows one session, whose secrets a test may change at any time. */
export interface InterceptionRig extends EgressRig {
  secrets: SessionSecret[];
  /** What serve says of the session's environment. */
  serve: { network?: OpenNetwork };
  /** What was told of their use. */
  uses: (Use & { session_id: string })[];
  /** The outcomes of a secret's uses, once there are so many. */
  outcomes(id: string, count?: number): Promise<string[]>;
  /** What a server of these hosts needs. */
  tls: Awaited<ReturnType<typeof certificateOf>>;
  /** The session's authority, which its programs trust, and the file that has it. */
  ca: string;
  ca_file: string;
  /** What a program in a sandbox of that session has in its environment. `port`: of a gate. */
  environment(port: number): NodeJS.ProcessEnv;
  /** Serve is away, and comes back. */
  stopServe(): Promise<void>;
  startServe(): Promise<void>;
  /** TLS within a CONNECT to a host, as a program speaks it. */
  tunnel(to: string, options?: TunnelOptions): Promise<TLSSocket>;
}

export interface TunnelOptions {
  line?: Partial<CarryLine>;
  servername?: string;
  protocols?: string[];
  /** Whom the program believes; the session's authority if unset. */
  ca?: string;
}

export async function interceptionRig(hosts: string[], believed_ms = 0): Promise<InterceptionRig> {
  const folder = mkdtempSync(join(tmpdir(), "drover-intercept-"));
  const tls = await certificateOf(folder, ...hosts, upstreamAddress);
  const authority = await makeSessionAuthority(session_id, Date.now());
  const ca_file = join(folder, "session.crt");
  writeFileSync(ca_file, authority.certificate);
  const vault_socket = join(folder, "vault.sock");
  const secrets: SessionSecret[] = [];
  const said: InterceptionRig["serve"] = {};
  const uses: InterceptionRig["uses"] = [];
  const { ring, until } = waiting();
  const serveNow = async () => {
    const listener = await listenForEgress({ socket_path: vault_socket });
    listener.answer({
      resolve: async (asked) =>
        asked.session_id === session_id && asked.pass === pass ? { ...said, authority, secrets } : null,
      async note(used) {
        uses.push(...used.uses.map((use) => ({ ...use, session_id: used.session_id })));
        ring();
      },
    });
    return listener;
  };
  let serve = await serveNow();
  const rig = await egressRig(undefined, null, { vault_socket, believed_ms, authorities: [tls.ca] });

  return {
    ...rig,
    serve: said,
    secrets,
    uses,
    tls,
    ca: authority.certificate,
    ca_file,
    outcomes: (id, count = 1) =>
      until(() => {
        const found = uses.filter((use) => use.id === id);
        const total = found.reduce((sum, use) => sum + use.count, 0);
        return total < count ? undefined : found.flatMap((use) => Array<string>(use.count).fill(use.outcome));
      }),
    gate: (line) => rig.gate({ pass, ...line }),
    environment: (port) => ({
      PATH: process.env.PATH,
      HOME: folder,
      http_proxy: `http://127.0.0.1:${port}`,
      https_proxy: `http://127.0.0.1:${port}`,
      HTTP_PROXY: `http://127.0.0.1:${port}`,
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      SSL_CERT_FILE: ca_file,
      CURL_CA_BUNDLE: ca_file,
      GIT_SSL_CAINFO: ca_file,
      NODE_EXTRA_CA_CERTS: ca_file,
    }),
    stopServe: () => serve.close(),
    async startServe() {
      serve = await serveNow();
    },
    async tunnel(to, { line = {}, servername, protocols, ca = authority.certificate } = {}) {
      const socket = rig.dial({ pass, ...line });
      if (line.as !== "tls") {
        socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
        const head = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
        if (!head.toString().startsWith("HTTP/1.1 200 ")) throw new Error(head.toString());
      }
      const host = to.replace(/:\d+$/, "");
      const secured = tlsConnect({
        socket,
        host,
        servername: servername ?? host,
        ca,
        ALPNProtocols: protocols,
      });
      await new Promise<void>((resolve, reject) => {
        secured.once("secureConnect", resolve);
        secured.once("error", reject);
      });
      secured.on("error", () => {});
      secured.on("end", () => secured.end());
      return secured;
    },
    async stop() {
      await rig.stop();
      await serve.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a host answers on such a connection to just this, until it ends. */
export async function say(secured: TLSSocket, text: string | Buffer): Promise<string> {
  const answer = readAll(secured);
  secured.write(text);
  return answer;
}
