import { statSync } from "node:fs";
import type { Config } from "../config.ts";
import { vaultPlaces } from "../net/vault-places.ts";
import { type Finding, warn } from "./finding.ts";
import { listenersAt } from "./listener.ts";
import { egressSocketOf, handsSocketOf, vaultSocketOf } from "./machine.ts";

/** A file, as far as it matters who may use it. */
export interface Owned {
  path: string;
  mode: number;
  uid: number;
}

/** Whether who works here can be spoken with, or looked into, by others than are meant to. */
export function examineSockets(config: Pick<Config, "data_dir" | "runtime_dir">): Finding[] {
  const [hands, egress] = [handsSocketOf(config), egressSocketOf(config)];
  const vaults = vaultPlaces(vaultSocketOf(config));
  const [ofHands, ofEgress] = [listenersAt(hands), listenersAt(egress)];
  const ofServe = listenersAt(...vaults);
  return [
    ...[config.data_dir, config.runtime_dir].flatMap((path) => found(path)).flatMap(openFolder),
    ...found(hands).flatMap((socket) => openSocket(socket, "serve", ofServe)),
    ...found(egress).flatMap((socket) => openSocket(socket, "hands", ofHands)),
    ...vaults.flatMap(found).flatMap((socket) => openSocket(socket, "egress", ofEgress)),
    ...egressAsRoot(ofEgress),
  ];
}

function found(path: string): Owned[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? [{ path, mode: stats.mode & 0o777, uid: stats.uid }] : [];
}

/** Others may pass through, as PostgreSQL and sandboxes have to. */
export function openFolder({ path, mode }: Owned): Finding[] {
  if ((mode & 0o066) === 0) return [];
  const what = (mode & 0o022) === 0 ? "look into" : "write to";
  return [warn("data", `others may ${what} ${path}: chmod 711 it`)];
}

/** `users`: as whom the part runs that it is for; empty where that is not known. Root may use it whoever owns it. */
export function openSocket({ path, mode, uid }: Owned, part: string, users: readonly number[]): Finding[] {
  if ((mode & 0o077) !== 0)
    return [warn("sockets", `others than ${part} may connect to ${path}: chmod 600 it`)];
  if (uid === 0 || users.length === 0 || users.includes(uid)) return [];
  return [
    warn(
      "sockets",
      `${path} is for ${part}, which runs as user ${users.join(", ")}, and user ${uid} may connect to it: start both with drover up, or name the user with --client or --vault-client`,
    ),
  ];
}

export function egressAsRoot(users: readonly number[]): Finding[] {
  if (!users.includes(0)) return [];
  return [
    warn(
      "egress",
      "it runs as root, and reads what hostile programs send: start it with --run-as <uid:gid>, or with drover up",
    ),
  ];
}
