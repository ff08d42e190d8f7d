import type Anthropic from "@anthropic-ai/sdk";
import { Command, InvalidArgumentError, Option } from "commander";
import { asking, withJson, withServer } from "./at-server.ts";
import type { Grouping, UsageOptions } from "./usage-report.ts";

const groupings: readonly Grouping[] = ["day", "hour", "agent", "model"];

export function usageCommand(): Command {
  const usage = new Command("usage").description(
    "Show what was used: tokens, cost and time of agents at work, by day, agent and model",
  );
  return withJson(withServer(usage), "print the buckets of time as the API has them, as an array of JSON")
    .addOption(
      new Option(
        "--by <what>",
        `a row for each ${groupings.join(", ")}; several with commas (default: day)`,
      ).argParser(groupingsIn),
    )
    .option(
      "--since <when>",
      "from this day (2026-01-31) or time on, or the last 30d, 24h or 8w (default: 7d; by hour 24h)",
      time,
    )
    .option("--until <when>", "up to the beginning of this day, or to this time (default: now)", time)
    .option("--agent <agent>", "of this agent alone, by its id or name")
    .option("--model <id>", "of this model alone")
    .option("--session <id>", "of this session alone, by its id, or last")
    .addOption(
      new Option("--csv", "print it as a table for spreadsheets, for each bucket of time").conflicts("json"),
    )
    .addHelpText(
      "after",
      "\nDays and hours are those of UTC.\n\n  drover usage --by model --since 30d\n  drover usage --by day,agent --since 2026-01-01 --until 2026-02-01 --csv > january.csv",
    )
    .action(
      asking(async (client: Anthropic, options: UsageOptions) => {
        const { showUsage } = await import("./usage-report.ts");
        await showUsage(client, options);
      }),
    );
}

function groupingsIn(text: string): Grouping[] {
  const names = text.split(",");
  for (const name of names)
    if (!groupings.includes(name as Grouping))
      throw new InvalidArgumentError(`It must be ${groupings.join(", ")}, or several of them with commas.`);
  if (names.includes("day") && names.includes("hour"))
    throw new InvalidArgumentError("It must be by day or by hour, not both.");
  return names as Grouping[];
}

/** As somebody writes it; what a distance means is known when the width of the buckets is. */
function time(text: string): string {
  if (/^[1-9]\d{0,3}[hdw]$/.test(text)) return text;
  const [day] = /^\d{4}-\d\d-\d\d(?=T|$)/.exec(text) ?? [];
  const inUtc = /T.*(Z|[+-]\d\d:?\d\d)$/.test(text) || text === day ? text : `${text}Z`;
  // Of a day that its month does not have another one would be made.
  if (day && isDay(day) && !Number.isNaN(Date.parse(inUtc))) return inUtc;
  throw new InvalidArgumentError(
    "It must be a day like 2026-01-31, a time like 2026-01-31T08:00Z, or 30d, 24h, 8w.",
  );
}

const isDay = (day: string): boolean =>
  !Number.isNaN(Date.parse(day)) && new Date(day).toISOString().startsWith(day);
