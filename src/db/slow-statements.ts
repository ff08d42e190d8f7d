import type { Statement } from "./database.ts";

/** A statement that has taken long, as often as it did. What it was asked with is not kept. */
export interface SlowStatement {
  name: string;
  text: string;
  count: number;
  total_ms: number;
  worst_ms: number;
  last_at: string;
}

/** What this process remembers of them: those that have taken longest in all, where there are more than it may keep. */
export function rememberSlow({ slow_ms, max }: { slow_ms: number; max: number }) {
  const byName = new Map<string, SlowStatement>();
  const worstFirst = () => [...byName.values()].toSorted((a, b) => b.total_ms - a.total_ms);
  return {
    took({ name, text }: Statement, ms: number): void {
      if (ms < slow_ms) return;
      const before = byName.get(name);
      byName.set(name, {
        name,
        text: text.replaceAll(/\s+/g, " ").trim(),
        count: (before?.count ?? 0) + 1,
        total_ms: (before?.total_ms ?? 0) + ms,
        worst_ms: Math.max(before?.worst_ms ?? 0, ms),
        last_at: new Date().toISOString(),
      });
      const least = byName.size > max ? worstFirst().at(-1) : undefined;
      if (least) byName.delete(least.name);
    },
    list: worstFirst,
  };
}
