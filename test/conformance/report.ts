import { styleText } from "node:util";
import type { Report, Result, Verdict } from "./run.ts";

const verdicts: Verdict[] = ["holds", "does not hold", "not yet"];

export function countsOf(reports: Report[]): string {
  const count = (verdict: Verdict) =>
    resultsOf(reports).filter((result) => result.verdict === verdict).length;
  return `${count("holds")} hold, ${count("does not hold")} do not, ${count("not yet")} are not checked yet`;
}

export const resultsOf = (reports: Report[]): Result[] => reports.flatMap(({ results }) => results);

const colours = { holds: "green", "does not hold": "red", "not yet": "dim" } as const;

/** One result on a terminal, or in a file. */
export function line({ number, text, verdict, why }: Result, stream: NodeJS.WriteStream): string {
  const shown = styleText(colours[verdict], verdict.padEnd(13), { stream });
  return `${String(number).padStart(3)}  ${shown}  ${text}${why ? `\n${" ".repeat(20)}${why}` : ""}\n`;
}

export const regenerate = "npm run conformance -- --write";

/** docs/COMPATIBILITY.md. */
export const markdown = (reports: Report[]): string =>
  [
    "# Compatibility",
    "",
    "What a server that is compatible with the Claude Managed Agents API does, as a list of 100 items, and which of them",
    `Drover does. Written by \`${regenerate}\`, which checks each item as a client sees it, with the`,
    "official TypeScript SDK over HTTP. `npm test` checks them all again and fails when one that holds no longer does.",
    "The same suite runs against any server: `npm run conformance -- --help`.",
    "",
    `${countsOf(reports)}.`,
    ...reports.flatMap(({ title, results }) => [
      "",
      `## ${title}`,
      "",
      "| item | what the server does | | |",
      "|---|---|---|---|",
      ...results.map(row),
    ]),
    "",
  ].join("\n");

const row = ({ number, text, verdict, why }: Result): string =>
  `| ${number} | ${cell(text)} | ${verdict} | ${cell(why ?? "")} |`;

const cell = (text: string) => text.replaceAll("|", "\\|");

/** What differs between the committed document and what was found: nothing, or a line for each item. */
export function differences(committed: string, reports: Report[]): string[] {
  const rows = committed.split("\n");
  return resultsOf(reports).flatMap((result) => {
    const { number, verdict, why } = result;
    const written = rows.find((one) => one.startsWith(`| ${number} |`));
    if (written === undefined) return `item ${number} is missing: run ${regenerate}`;
    const before = verdicts.find((one) => written.includes(`| ${one} |`));
    if (before !== verdict) {
      return verdict === "does not hold"
        ? `item ${number} no longer holds: ${why} (${result.text})`
        : `item ${number} was "${before}" and now "${verdict}": run ${regenerate} (${result.text})`;
    }
    // What fails fails with ids and times in its reason.
    const outdated = verdict !== "does not hold" && written !== row(result);
    return outdated ? `item ${number} is written differently: run ${regenerate}` : [];
  });
}
