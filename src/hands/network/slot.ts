import { type ChildProcess, spawn } from "node:child_process";
import { Socket as UdpSocket } from "node:dgram";
import { closeSync, openSync } from "node:fs";
import { Server } from "node:net";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { limits } from "../../limits.ts";
import { type Namespace, Unavailable } from "../driver.ts";
import { findProgram } from "../drivers/bwrap.ts";
import { type ListenerRole, tcpListeners, udpListener } from "./inside.ts";

/**
 * A network namespace with nothing but a loopback, on which this process listens. It lives for as long as it is listened
 * in, held open, or used by a sandbox.
 */
export interface Slot {
  /** How a process that this one starts joins it. */
  namespace: Pick<Namespace, "net" | "user">;
  listeners: readonly { role: ListenerRole; server: Server }[];
  names: UdpSocket;
  /** Nobody else joins. */
  release(): void;
  /** Nothing is listened to any more either. */
  close(): void;
}

const program = fileURLToPath(new URL("./listen-inside.cjs", import.meta.url));
const said = z.object({ role: z.string(), pid: z.int() });
const stderrCharsKept = 2_000;

/** What a program is begun with in a new namespace, made by bubblewrap, which sets up the loopback. */
export function newNamespace(bwrap: string): string[] {
  // Of the capabilities in a namespace of its own an ordinary user needs one, for the ports below 1024.
  const user = process.getuid?.() === 0 ? [] : ["--unshare-user", "--cap-add", "CAP_NET_BIND_SERVICE"];
  return [bwrap, ...user, "--unshare-net", "--die-with-parent", "--dev-bind", "/", "/"];
}

/** And in that of a process, which root can enter. */
export function namespaceOf(pid: number): string[] {
  const nsenter = findProgram("nsenter");
  if (!nsenter) throw new Unavailable("nsenter is not installed; install the package `util-linux`");
  return [nsenter, `--net=/proc/${pid}/ns/net`, "--"];
}

/**
 * A program is begun that listens there and hands over what it listens with: the one way for Node to listen in a namespace
 * that it is not in. It ends before any program of a sandbox is there.
 */
export async function makeSlot(before: string[], { inBackground }: { inBackground: boolean }): Promise<Slot> {
  const asRoot = process.getuid?.() === 0;
  const [command = "", ...args] = before;
  const work = { tcp: tcpListeners, udp: udpListener, ms_max: limits.network_slot_ms_max };
  const child = spawn(command, [...args, process.execPath, program, JSON.stringify(work)], {
    ...{ env: {}, cwd: "/" },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  if (inBackground) lowerPriority(child);
  const fds: number[] = [];
  const listeners: { role: ListenerRole; server: Server }[] = [];
  let names: UdpSocket | null = null;
  let stderr = "";

  child.stderr?.on("data", (chunk) => {
    stderr = (stderr + chunk).slice(-stderrCharsKept);
  });
  child.on("message", (message, handle) => {
    const { role, pid } = said.parse(message);
    // An error of a listener, such as that no more files can be opened, is one of the connection that was to come.
    if (handle instanceof Server || handle instanceof UdpSocket) handle.on("error", () => {});
    const asked = tcpListeners.find((listener) => listener.role === role);
    if (asked && handle instanceof Server) listeners.push({ role: asked.role, server: handle });
    else if (handle instanceof UdpSocket) names = handle;
    if (fds.length > 0) return;
    try {
      // While it waits for its next message to be taken, it is there.
      fds.push(...openNamespaces(pid, asRoot));
    } catch (error) {
      stderr = (error as Error).message;
      child.kill("SIGKILL");
    }
  });

  const timer = setTimeout(() => child.kill("SIGKILL"), limits.network_slot_ms_max);
  const end = await ended(child);
  clearTimeout(timer);
  function release(): void {
    for (const fd of fds.splice(0)) closeSync(fd);
  }
  function close(): void {
    release();
    for (const { server } of listeners) server.close();
    names?.close();
  }
  const [net, owner] = fds.map((fd) => `/proc/${process.pid}/fd/${fd}`);
  if (end.code !== 0 || !net || !names || listeners.length < tcpListeners.length) {
    close();
    const why = stderr.trim() || end.why;
    throw new Unavailable(`no network namespace for a sandbox could be prepared (${why})`);
  }
  return { namespace: { net, user: owner ?? null }, listeners, names, release, close };
}

/** The user namespace too, where it is not ours: whoever joins the network has to join that first. */
function openNamespaces(pid: number, asRoot: boolean): number[] {
  const kinds = asRoot ? ["net"] : ["net", "user"];
  return kinds.map((kind) => openSync(`/proc/${pid}/ns/${kind}`, "r"));
}

/** When it has ended and all that it said has been heard. */
function ended(child: ChildProcess): Promise<{ code: number | null; why: string }> {
  return new Promise((resolve) => {
    let why = "";
    child.on("error", (error) => {
      why = error.message;
      // One that was never started does not close.
      if (child.pid === undefined) resolve({ code: null, why });
    });
    child.on("close", (code, signal) => resolve({ code, why: why || `it ended with ${code ?? signal}` }));
  });
}

function lowerPriority({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) os.setPriority(pid, os.constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already, or the system forbids it.
  }
}
