/** The value below which `part` of the values lie. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export const median = (values: readonly number[]) => percentile(values, 0.5);

/** Milliseconds that each of `count` runs took, one after the other, after `warmup` that are not counted. */
export async function timed(
  count: number,
  run: () => Promise<number>,
  warmup = Math.ceil(count / 5),
): Promise<number[]> {
  for (let i = 0; i < warmup; i += 1) await run();
  const took: number[] = [];
  for (let i = 0; i < count; i += 1) took.push(await run());
  return took;
}

/** How often a second `run` came to its end while `workers` ran it over and over for `ms`. */
export async function rate(
  workers: number,
  ms: number,
  run: (worker: number) => Promise<void>,
): Promise<number> {
  const start = performance.now();
  let count = 0;
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (performance.now() - start < ms) {
        await run(worker);
        count += 1;
      }
    }),
  );
  return (count * 1_000) / (performance.now() - start);
}
