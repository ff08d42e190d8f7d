import { setTimeout as delay } from "node:timers/promises";
import { plainSpec } from "../../src/hands/plain-spec.ts";
import type { Figure } from "../figure.ts";
import { type FreshSandbox, freshSandbox, networkSpec } from "../first-command.ts";
import type { Rig } from "../rig.ts";
import { percentile, timed } from "../stats.ts";

const area = "sandbox";
const staggerMs = 200;
const together = 100;
const laterCalls = 10;

/**
 * By the method of ComputeSDK's benchmarks: from the moment at which a sandbox is asked for that did not exist, until the
 * output of its first command is here; one after the other, one every 200 ms, and a hundred at once.
 */
export async function sandbox(rig: Rig): Promise<Figure[]> {
  if (rig.noSandbox) return [];
  const alone: number[] = [];
  const plain: number[] = [];
  const later: number[] = [];
  // In turns, so that both meet the same machine.
  await timed(100, async () => {
    plain.push(await withFresh(rig, plainSpec, (fresh) => fresh.run()));
    await withFresh(rig, networkSpec, async (fresh) => {
      alone.push(await fresh.run());
      for (let i = 0; i < laterCalls; i += 1) later.push(await fresh.run());
    });
    return 0;
  });
  const first = "create until the first command is done";
  return [
    ...figures(`${first}, without a network`, plain, 50),
    ...figures(`${first}, one after the other`, alone, 50),
    ...figures(`${first}, one every ${staggerMs} ms`, await staggered(rig), 50),
    ...(await burst(rig, `${first}, ${together} at once`)),
    ...figures("each later command", later, 12),
  ];
}

function figures(what: string, took: readonly number[], at_most?: number): Figure[] {
  const about = { area, unit: "ms" } as const;
  const bar = at_most === undefined ? {} : { bar: { at_most } };
  return [
    { ...about, what: `${what}, least`, value: percentile(took, 0) },
    { ...about, what: `${what}, p50`, value: percentile(took, 0.5), ...bar },
    { ...about, what: `${what}, p95`, value: percentile(took, 0.95) },
  ];
}

async function withFresh(
  rig: Rig,
  spec: typeof networkSpec,
  use: (fresh: FreshSandbox) => Promise<unknown>,
): Promise<number> {
  const fresh = freshSandbox(rig, spec);
  const took = await use(fresh);
  await fresh.remove();
  return Number(took);
}

async function staggered(rig: Rig): Promise<number[]> {
  const took: Promise<number>[] = [];
  for (let i = 0; i < together; i += 1) {
    const each = withFresh(rig, networkSpec, (fresh) => fresh.run());
    // Told when all have been begun.
    each.catch(() => {});
    took.push(each);
    await delay(staggerMs);
  }
  return Promise.all(took);
}

/** On two cores they wait for the processors, so the last says how many can be made in a second. */
async function burst(rig: Rig, what: string): Promise<Figure[]> {
  const all = Array.from({ length: together }, () => freshSandbox(rig, networkSpec));
  const took = await Promise.all(all.map((fresh) => fresh.run()));
  await Promise.all(all.map((fresh) => fresh.remove()));
  const perSecond = (together * 1_000) / Math.max(...took);
  return [...figures(what, took), { area, what: `${what}, all of them`, unit: "per s", value: perSecond }];
}
