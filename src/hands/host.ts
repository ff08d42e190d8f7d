import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { dirname, join } from "node:path";
import { limits } from "../limits.ts";
import { readLines } from "../net/lines.ts";
import { listenLocally } from "../net/local-socket.ts";
import { openBlobs } from "./blobs/blobs.ts";
import { createCalls } from "./calls.ts";
import { type CheckpointsOptions, createCheckpoints, noCheckpoints } from "./checkpoints/checkpoints.ts";
import type { Driver } from "./driver.ts";
import { hostIdOf } from "./host-id.ts";
import { openJournals } from "./journals.ts";
import { listenOnNetwork, type NetworkListener } from "./listen.ts";
import { createMounts } from "./mounts/mounts.ts";
import { watchEgress } from "./network/egress-there.ts";
import { createNetwork } from "./network/network.ts";
import { createOutputs, isOutputsRequest } from "./outputs/outputs.ts";
import { createSandboxes } from "./sandboxes.ts";
import { memoryBytes, sandboxesOn } from "./sandboxes-max.ts";
import { openSetup } from "./setup.ts";
import { type HandsRequest, type HandsResponse, type HostFacts, handsRequest } from "./wire.ts";

export interface HandsOptions {
  socket_path: string;
  data_dir: string;
  driver: Driver;
  /** The one user who may connect, besides root. Default: whom this process runs as. */
  owner?: { uid: number; gid: number };
  /** Where it can be reached from other machines; nowhere without it. */
  network?: NetworkListener;
  /** Where the egress process of this machine listens, which need not be there. Default: beside the socket. */
  egress_socket?: string;
  /** Default: what the machine's memory is good for. */
  sandboxes_max?: number;
  idle_ms?: number;
  idle_with_jobs_ms?: number;
  /** Where workspaces are kept when they rest. Null: nowhere. */
  checkpoints?: Omit<CheckpointsOptions, "driver" | "data_dir"> | null;
  /** Of the program, as it tells servers. */
  version?: string;
  /** Hears once that outputs cannot be looked at. */
  onOutputsTrouble?(error: unknown): void;
}

export interface HandsHost {
  host_id: string;
  /** Of the network listener. */
  port: number | null;
  /** Tells all who are connected that it leaves, ends every sandbox, and resolves when the last result is told. */
  close(): Promise<void>;
}

/** Serves sandboxes on a unix socket, and on the network if told so: one JSON object a line, many calls at a time. */
export async function startHands(options: HandsOptions): Promise<HandsHost> {
  const journals = await openJournals(join(options.data_dir, "journal"), {
    calls_kept: limits.hands_calls_kept,
    open_max: limits.hands_journals_open_max,
  });
  const { driver, data_dir } = options;
  const checkpoints = options.checkpoints
    ? createCheckpoints({ ...options.checkpoints, driver, data_dir })
    : noCheckpoints;
  const sockets = new Set<Socket>();
  const outputs = createOutputs({
    driver,
    data_dir,
    trouble: options.onOutputsTrouble,
    changed(which) {
      for (const socket of sockets) say(socket, { type: "outputs_changed", n: -1, ...which });
    },
  });
  const egress_socket = options.egress_socket ?? join(dirname(options.socket_path), "egress.sock");
  const way = createNetwork({ egress_socket, data_dir });
  const egress = watchEgress(egress_socket);
  const count_max = options.sandboxes_max ?? sandboxesOn(memoryBytes());
  const blobs = await openBlobs({ folder: join(data_dir, "blobs") });
  const mounts = createMounts({ blobs, folderOf: driver.mounts });
  const sandboxes = createSandboxes({
    driver,
    mounts,
    checkpoints,
    outputs,
    network: way,
    setup: openSetup(data_dir),
    count_max,
    idle_ms: options.idle_ms ?? limits.sandbox_idle_ms,
    idle_with_jobs_ms: options.idle_with_jobs_ms ?? limits.sandbox_idle_with_jobs_ms,
  });
  const calls = createCalls({ journals, sandboxes, checkpoints, mounts });
  const identity = { host_id: hostIdOf(data_dir), instance_id: randomUUID() };
  let leaving = false;

  const service: Service = {
    facts() {
      const { running, in_use } = sandboxes.count();
      const room = { sandboxes_max: count_max, sandboxes: running, sandboxes_in_use: in_use };
      const checkpoints_failing = checkpoints.failing();
      const { version = null } = options;
      const said = { driver: options.driver.name, version, egress: egress.there() };
      return { ...identity, ...said, ...room, checkpoints_failing };
    },
    handle: (request, tell) =>
      isOutputsRequest(request) ? outputs.handle(request) : calls.handle(request, tell),
    leaving: () => leaving,
  };
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serve(socket, service);
  };
  const local = await listenLocally(options, accept);
  const network = options.network ? await listenOnNetwork(options.network, accept) : null;
  return {
    host_id: identity.host_id,
    port: network?.port ?? null,
    async close() {
      leaving = true;
      local.close();
      network?.close();
      for (const socket of sockets) say(socket, { type: "leaving", n: -1 });
      egress.close();
      await sandboxes.close();
      blobs.close();
      await outputs.close();
      await way.close();
      await calls.settled();
      await checkpoints.close();
      await driver.close();
      await journals.close();
      await Promise.all([...sockets].map(endSocket));
    },
  };
}

interface Service {
  facts(): HostFacts;
  handle(
    request: Exclude<HandsRequest, { type: "hello" }>,
    tell: (text: string) => void,
  ): Promise<HandsResponse>;
  leaving(): boolean;
}

function say(socket: Socket, response: HandsResponse): void {
  if (socket.writable) socket.write(`${JSON.stringify(response)}\n`);
}

/** What was said is sent before it ends, unless the other side does not take it. */
function endSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => socket.destroy(), limits.hands_goodbye_ms);
    socket.once("close", () => {
      clearTimeout(late);
      resolve();
    });
    socket.end();
    socket.destroySoon();
  });
}

function serve(socket: Socket, service: Service): void {
  const answer = (response: HandsResponse) => say(socket, response);
  // Whoever asked asks again over a new connection.
  socket.on("error", () => {});
  readLines(socket, limits.hands_line_bytes_max, {
    line(text) {
      const { n, request, message } = readRequest(text);
      if (!request) return answer({ type: "error", n, message });
      if (request.type === "hello") return answer({ type: "hello", n, ...service.facts() });
      if (service.leaving()) return answer({ type: "leaving", n });
      service
        .handle(request, (text) => answer({ type: "progress", n: request.n, text }))
        .then(answer, (error: unknown) =>
          answer({ type: "error", n, message: error instanceof Error ? error.message : String(error) }),
        );
    },
    tooLong() {
      answer({ type: "error", n: -1, message: `a line exceeds ${limits.hands_line_bytes_max} bytes` });
      // Whoever goes on talking is not waited for.
      socket.destroySoon();
    },
  });
}

function readRequest(text: string): { n: number; request: HandsRequest | null; message: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { n: -1, request: null, message: "the line is not JSON" };
  }
  const parsed = handsRequest.safeParse(json);
  if (parsed.success) return { n: parsed.data.n, request: parsed.data, message: "" };
  const n = typeof json === "object" && json !== null && "n" in json ? Number(json.n) : -1;
  const [issue] = parsed.error.issues;
  const message = issue ? `${issue.path.join(".")}: ${issue.message}` : "invalid request";
  return { n: Number.isSafeInteger(n) ? n : -1, request: null, message };
}
