import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { makeAuthority, makeCertificate } from "../../src/cli/certificates.ts";
import type { EgressProxy } from "../../src/config/egress.ts";
import { type EgressOptions, startEgress } from "../../src/egress/egress.ts";
import type { CarryLine, OpenNetwork, RefusedLine } from "../../src/net/egress-wire.ts";
import { waiting } from "./waiting.ts";

/** Where the servers of these tests listen. Names lead there, and it is the one private address that is open. */
export const upstreamAddress = "127.0.0.2";

export interface EgressRig {
  folder: string;
  socket_path: string;
  /** What egress has told of connections that it refused, the newest last. */
  refused: RefusedLine[];
  /** Names that were resolved. */
  resolved: string[];
  /** Errors that nobody was to make. */
  troubles: unknown[];
  /** What `look` finds in `refused`, once it does. */
  until<Found>(look: () => Found | undefined): Promise<Found>;
  /** A port of the loopback, what comes to which is handed over as a sandbox's by `hands`. */
  gate(line?: Partial<CarryLine>): Promise<number>;
  /** A connection of a sandbox, of which nothing was said yet. */
  dial(line?: Partial<CarryLine>): Socket;
  stop(): Promise<void>;
}

/** An egress process's inside, and a host's side of its socket. `resolve` answers instead of the DNS. */
export async function egressRig(
  resolve: (name: string) => string[] = () => [upstreamAddress],
  proxy: EgressProxy | null = null,
  more: Partial<EgressOptions> = {},
): Promise<EgressRig> {
  const folder = mkdtempSync(join(tmpdir(), "drover-egress-"));
  const socket_path = join(folder, "egress.sock");
  const resolved: string[] = [];
  const troubles: unknown[] = [];
  const egress = await startEgress({
    socket_path,
    allow_private_hosts: [upstreamAddress],
    package_hosts: ["mirror.test"],
    proxy,
    ...more,
    onTrouble: (error) => troubles.push(error),
    resolve: async (name) => {
      resolved.push(name);
      return resolve(name);
    },
  });
  const refused: RefusedLine[] = [];
  const { ring, until } = waiting();
  const watcher = connect(socket_path);
  watcher.write('{"type":"watch"}\n');
  createInterface({ input: watcher }).on("line", (line) => {
    refused.push(JSON.parse(line));
    ring();
  });
  const gates: Server[] = [];

  const dial = (line: Partial<CarryLine> = {}) => {
    const socket = connect({ path: socket_path, allowHalfOpen: true });
    socket.on("error", () => {});
    socket.write(`${JSON.stringify(carried(line))}\n`);
    return socket;
  };
  return {
    folder,
    socket_path,
    refused,
    resolved,
    troubles,
    until,
    dial,
    async gate(line) {
      const gate = createServer({ allowHalfOpen: true }, (program) => {
        const socket = dial(line);
        program.on("error", () => {});
        program.on("close", () => socket.destroy());
        socket.on("close", () => (socket.readableEnded ? program.destroySoon() : program.destroy()));
        program.pipe(socket).pipe(program);
      });
      gates.push(gate);
      return listen(gate, "127.0.0.1");
    },
    async stop() {
      watcher.destroy();
      for (const gate of gates) gate.close();
      await egress.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const carried = (line: Partial<CarryLine>): CarryLine => ({
  type: "carry",
  session_id: "sesn_1",
  sandbox_id: "sbx_1",
  network: { type: "unrestricted" },
  pass: null,
  as: "proxy",
  refuse: null,
  ...line,
});

export const limitedTo = (...hosts: string[]): OpenNetwork => ({
  type: "limited",
  hosts,
  package_managers: false,
});

export async function listen(server: Server, host = upstreamAddress): Promise<number> {
  await once(server.listen(0, host), "listening");
  return (server.address() as AddressInfo).port;
}

/** All that comes until the end. */
export async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  await new Promise((resolve) => socket.on("close", resolve));
  return text;
}

/** What a connection of a sandbox is answered that says just this, and then listens. */
export async function ask(
  rig: EgressRig,
  text: string | Buffer,
  line: Partial<CarryLine> = {},
): Promise<string> {
  const socket = rig.dial(line);
  const answer = readAll(socket);
  socket.end(text, "latin1");
  return answer;
}

/** A certificate of these names, and the file of the authority that programs are to trust for it. */
export async function certificateOf(folder: string, ...addresses: string[]) {
  const validity = { from: new Date(Date.now() - 60_000), to: new Date(Date.now() + 3_600_000) };
  const authority = await makeAuthority(validity);
  const { cert, key } = await makeCertificate(authority, {
    role: "hands",
    name: "upstream",
    addresses,
    ...validity,
  });
  const ca_file = join(folder, "ca.crt");
  writeFileSync(ca_file, authority.cert);
  return { cert, key, ca: authority.cert, ca_file };
}
