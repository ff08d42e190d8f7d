import { execFileSync } from "node:child_process";
import type { Figure } from "../figure.ts";
import type { Rig } from "../rig.ts";

/** Resident memory of a process, in `MB`. */
export const rss = (pid: number) =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1024;

/** A `serve` that has driven a turn and rests. */
export async function idle(rig: Rig): Promise<Figure[]> {
  const server = await rig.serve();
  const session = await rig.newSession(server.client);
  const stream = await server.client.stream(session);
  const over = stream.next("session.status_idle");
  await server.client.say(session, "say hi");
  await over;
  stream.close();
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const value = rss(server.pid);
  await server.close();
  return [{ area: "idle", what: "`serve` at rest, resident", unit: "MB", value, bar: { at_most: 150 } }];
}
