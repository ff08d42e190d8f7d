import type { Report } from "./run.ts";

/** A report in Markdown. */
export function markdown(report: Report, date: string): string {
  const harmed = [...report.acts]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([what, times]) => `| ${what} | ${times} |`);
  const facts: [string, string | number][] = [
    ["minutes", report.run_ms / 60_000],
    ["sessions at a time", report.players],
    ["sessions", report.sessions],
    ["events in their lists", report.events],
    ["commands that ran", report.commands],
    ["calls that were lost with a sandbox or its host", report.losses],
    ["sessions that went on at another host", report.moved],
    ["workspaces brought back", report.restores],
    ["requests that changed something", report.requests],
    ["of them sent again, the answer being lost or a 5xx", report.retries],
    ["connections broken by the links", report.broken_connections],
    ["connections of stream readers", report.reader_connections],
    ["all sessions at rest after the last act, in s", (report.settled_ms / 1_000).toFixed(1)],
  ];
  return `# Chaos of ${date}, seed ${report.seed}

${verdict(report)}

\`npm run chaos -- --seed ${report.seed} --minutes ${report.run_ms / 60_000} --sessions ${report.players}\` makes the same plan of harm again; when exactly
each act strikes a process is not in its hands.

| what | |
|---|---|
${facts.map(([what, value]) => `| ${what} | ${value} |`).join("\n")}

| what was done | times |
|---|---|
${harmed.join("\n")}
${report.problems.length === 0 ? "" : `\n## Problems\n\n${report.problems.map((problem) => `* ${problem}`).join("\n")}\n`}`;
}

export const verdict = ({ problems }: Report): string =>
  problems.length === 0
    ? "Verdict: nothing was lost, nothing was done twice, every session came to rest."
    : `Verdict: ${problems.length} problems.`;
