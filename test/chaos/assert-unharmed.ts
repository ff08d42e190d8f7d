import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type ChaosOptions, chaos, type Report } from "./run.ts";

/** One run, with the report of what was done where it has found something. */
export async function assertUnharmed(context: TestContext, options: ChaosOptions): Promise<Report> {
  const done: string[] = [];
  const report = await chaos({ ...options, tell: (line) => done.push(line) });
  const { sessions, events, commands, retries, moved } = report;
  context.diagnostic(
    `${sessions} sessions, ${moved} of them moved, ${events} events, ${commands} commands, ${retries} requests sent again`,
  );
  if (report.problems.length > 0) for (const line of done) context.diagnostic(line);
  assert.deepEqual(report.problems, []);
  assert.ok(commands > 0 && retries > 0, "nothing was played, or nothing was harmed");
  return report;
}
