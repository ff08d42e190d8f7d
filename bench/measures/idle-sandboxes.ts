import { mountsBelow, openFiles, pss, sandboxProcesses } from "../../src/hands/testing-left.ts";
import type { Figure } from "../figure.ts";
import { type FreshSandbox, freshSandbox, networkSpec } from "../first-command.ts";
import type { Rig } from "../rig.ts";
import { percentile } from "../stats.ts";

const count = 200;
const atOnce = 8;

/** As many as rest between two calls of their sessions: what they take, that each answers, and what is left of them. */
export async function idleSandboxes(rig: Rig): Promise<Figure[]> {
  if (rig.noSandbox) return [];
  const { handsPid } = rig;
  // What a host has once it has had a sandbox is not theirs.
  const warmup = freshSandbox(rig, networkSpec);
  await warmup.run();
  await warmup.remove();
  const ownBefore = pss(handsPid);
  const all = Array.from({ length: count }, () => freshSandbox(rig, networkSpec));
  await each(all, (fresh) => fresh.run());
  const processes = sandboxProcesses(handsPid);
  const inside = processes.reduce((sum, pid) => sum + pss(pid), 0);
  const files = [...openFiles(handsPid).values()].reduce((sum, each) => sum + each, 0);
  const own = pss(handsPid) - ownBefore;
  const answered: number[] = [];
  for (const fresh of all) answered.push(await fresh.run());
  await each(all, (fresh) => fresh.remove());
  const left = sandboxProcesses(handsPid).length + mountsBelow(rig.handsFolder);
  const area = "idle";
  const what = `${count} sandboxes at rest`;
  return [
    { area, what: `${what}: processes of each`, unit: "processes", value: processes.length / count },
    { area, what: `${what}: memory of each's processes (PSS)`, unit: "KiB", value: inside / count },
    { area, what: `${what}: what \`hands\` takes for each (PSS)`, unit: "KiB", value: own / count },
    { area, what: `${what}: files that \`hands\` has open for each`, unit: "files", value: files / count },
    {
      area,
      what: `${what}: that answer`,
      unit: "sandboxes",
      value: answered.length,
      bar: { at_least: count },
    },
    {
      area,
      what: `${what}: next command, p50`,
      unit: "ms",
      value: percentile(answered, 0.5),
      bar: { at_most: 12 },
    },
    { area, what: `${what}: next command, p95`, unit: "ms", value: percentile(answered, 0.95) },
    {
      area,
      what: `${what}: processes and mounts left of them`,
      unit: "processes",
      value: left,
      bar: { at_most: 0 },
    },
  ];
}

async function each(
  all: readonly FreshSandbox[],
  work: (fresh: FreshSandbox) => Promise<unknown>,
): Promise<void> {
  const waiting = [...all];
  const next = async (): Promise<void> => {
    for (let fresh = waiting.shift(); fresh; fresh = waiting.shift()) await work(fresh);
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}
