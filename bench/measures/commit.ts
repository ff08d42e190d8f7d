import type { Figure } from "../figure.ts";
import type { Rig } from "../rig.ts";
import { percentile, timed } from "../stats.ts";

/** What everything durable waits for: says how busy and how fast the machine is. */
export async function commit(rig: Rig): Promise<Figure[]> {
  await rig.db.query({ name: "bench_table", text: "create table bench_commit (n int)" }, []);
  const took = await timed(200, async () => {
    const start = performance.now();
    await rig.db.query({ name: "bench_commit", text: "insert into bench_commit values (1)" }, []);
    return performance.now() - start;
  });
  const about = { area: "machine", unit: "ms" } as const;
  return [
    { ...about, what: "one commit of one row, p50", value: percentile(took, 0.5) },
    { ...about, what: "one commit of one row, p99", value: percentile(took, 0.99) },
  ];
}
