import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freeLease, message, type TestSession, testSession } from "../../src/brain/testing.ts";
import type { Database } from "../../src/db/database.ts";
import { noMounts } from "../../src/hands/bring-mounts.ts";
import { type ConnectOptions, connectHost, type HostConnection } from "../../src/hands/client.ts";
import { bubblewrap } from "../../src/hands/drivers/bubblewrap.ts";
import { createFleet, type Fleet } from "../../src/hands/fleet.ts";
import { type HandsOptions, startHands } from "../../src/hands/host.ts";
import { sandboxOf } from "../../src/hands/placement.ts";
import { type TestFolder, testFolder, testSpec } from "../../src/hands/testing.ts";
import { never, request, shell } from "../../src/hands/testing-host.ts";
import type { Lease } from "../../src/log/lease.ts";
import { placementsIn } from "../../src/log/placement.ts";

/** A sandbox host, and what it has on its disk. */
export interface Host {
  folder: TestFolder;
  socket_path: string;
  workspace(sandboxId: string): string;
}

export interface ProcessHost extends Host {
  process(): ChildProcess;
  /** Again, over what it had. */
  start(): Promise<void>;
}

/** Real hosts, fleets over them as servers have them, and sessions, until `close`. */
export function startHosts(db: Database) {
  const closing: (() => unknown)[] = [];
  const troubles: string[] = [];

  function place(): Host {
    const folder = testFolder();
    closing.push(folder.remove);
    return {
      folder,
      socket_path: join(folder.path, "hands.sock"),
      workspace: (sandboxId) => join(folder.path, "sandboxes", sandboxId, "workspace"),
    };
  }

  /** In this process: it ends only cleanly. */
  async function startHost(options: Partial<HandsOptions> = {}): Promise<Host & { stop(): Promise<void> }> {
    const host = place();
    const { path } = host.folder;
    const running = await startHands({
      socket_path: host.socket_path,
      data_dir: path,
      driver: bubblewrap({ data_dir: path }),
      ...options,
    });
    let stopped: Promise<void> | null = null;
    const stop = () => {
      stopped ??= running.close();
      return stopped;
    };
    closing.push(stop);
    return { ...host, stop };
  }

  /** A process of its own, which can be killed and frozen. */
  async function startProcess(): Promise<ProcessHost> {
    const host = place();
    const program = join(import.meta.dirname, "../../src/hands/testing-hands.ts");
    let child: ChildProcess;
    async function start(): Promise<void> {
      child = spawn(process.execPath, [program, host.folder.path, host.socket_path], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      assert.ok(child.stdout);
      await once(child.stdout, "data");
    }
    await start();
    closing.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await exit;
    });
    return { ...host, process: () => child, start };
  }

  /** As one server has it. Resolves when it has met every host. */
  async function fleetOf(
    hosts: readonly Host[],
    options: ConnectOptions & { gone_ms?: number; room_ms?: number } = {},
  ): Promise<{ fleet: Fleet; connections: HostConnection[] }> {
    const { gone_ms = 600, room_ms = 600, ping_ms = 50, silent_ms = 250 } = options;
    const connections = hosts.map(({ socket_path }) => connectHost({ socket_path, ping_ms, silent_ms }));
    const placements = placementsIn(db);
    while (!connections.every((each) => each.isUp())) await delay(5);
    const fleet = createFleet({
      hosts: connections,
      placements,
      mounts: noMounts,
      gone_ms,
      room_ms,
      trouble: (what, error) => troubles.push(`${what} ${error}`),
    });
    closing.push(() => {
      fleet.close();
      for (const each of connections) each.close();
    });
    return { fleet, connections };
  }

  async function claimed(): Promise<{ session: TestSession; lease: Lease }> {
    const session = await testSession(db, () => []);
    await session.send(message("hello"));
    return { session, lease: await session.claim() };
  }

  async function takenOver(session: TestSession): Promise<Lease> {
    await freeLease(db, session.id);
    return session.claim();
  }

  /** The lease as a brain has it that knows where the sandbox is by now. */
  async function reread(lease: Lease): Promise<Lease> {
    return { ...lease, placement: await placementsIn(db).place(lease, "host_none") };
  }

  return {
    place,
    startHost,
    startProcess,
    fleetOf,
    claimed,
    takenOver,
    reread,
    /** What the fleets have complained of. */
    troubles,
    onClose: (close: () => unknown) => void closing.push(close),
    async close() {
      for (const close of closing.splice(0).toReversed()) await close();
    },
  };
}

/** A call of that session under that lease. */
export const call = (
  { session_id, epoch }: Pick<Lease, "session_id" | "epoch">,
  command: string,
  more: Parameters<typeof request>[2] = {},
) => request("", shell(command), { session_id, sandbox_id: sandboxOf(session_id), epoch, ...more });

/** What a brain under that lease asks for where the environment has these commands. */
export const setUpOf = ({ session_id, epoch }: Pick<Lease, "session_id" | "epoch">, ...setup: string[]) => ({
  session_id,
  sandbox_id: sandboxOf(session_id),
  epoch,
  spec: { ...testSpec, setup },
  restore: false,
  mounts: 0,
});

export const run = (fleet: Fleet, lease: Lease, command: string) =>
  fleet.handsOf(lease).execute(call(lease, command), never);

/** Which of them has the workspace. */
export const holderOf = <Some extends Host>(hosts: readonly Some[], sandboxId: string): Some =>
  hosts.find((host) => existsSync(host.workspace(sandboxId))) ?? assert.fail("no host has it");

export const otherThan = <Some extends Host>(hosts: readonly Some[], one: Some): Some =>
  hosts.find((host) => host !== one) ?? assert.fail("there is no other");

export async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}
