import { type ChildProcess, spawn } from "node:child_process";
import { Socket as UdpSocket } from "node:dgram";
import { closeSync, openSync } from "node:fs";
import { Server } from "node:net";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { limits } from "../../limits.ts";
import { type Namespace, Unavailable } from "../driver.ts";
import { type ListenerRole, tcpListeners, udpListener } from "./inside.ts";

/**
 * A network namespace with nothing but a loopback, on which this process listens. It lives for as long as it is listened
 * in, held open, or used by a sandbox.
 */
export interface Slot {
  /** How a process that this one starts joins it. */
  namespace: Namespace;
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

/**
 * Made by bubblewrap, which sets up the loopback, around a program that listens and hands over what it listens with: the
 * one way for Node to listen in a namespace that it is not in. That program ends before any sandbox is there.
 */
export async function makeSlot(bwrap: string, { inBackground }: { inBackground: boolean }): Promise<Slot> {
  const asRoot = process.getuid?.() === 0;
  // Of the capabilities in a namespace of its own an ordinary user needs one, for the ports below 1024.
  const user = asRoot ? [] : ["--unshare-user", "--cap-add", "CAP_NET_BIND_SERVICE"];
  const work = { tcp: tcpListeners, udp: udpListener, ms_max: limits.network_slot_ms_max };
  const child = spawn(
    bwrap,
    [
      ...[...user, "--unshare-net", "--die-with-parent", "--dev-bind", "/", "/"],
      ...[process.execPath, program, JSON.stringify(work)],
    ],
    { env: {}, cwd: "/", stdio: ["ignore", "ignore", "pipe", "ipc"] },
  );
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
