import { Command } from "commander";
import { isReady, type ModelsConfig, type ProviderConfig, resolveModel } from "../config/models.ts";
import { addressOf } from "../models/addresses.ts";
import { type Reached, reach } from "../models/probe.ts";
import { configOrExit } from "./machine.ts";
import { jsonText, painter, visibleLine } from "./terminal.ts";

export function modelsCommand(): Command {
  return new Command("models")
    .description("List the model providers: which can be reached, and what is missing")
    .option("--json", "print the list as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const { models } = configOrExit();
      const providers = [...models.providers.values()];
      const { isTTY } = process.stderr;
      if (isTTY) process.stderr.write(`asking ${providers.length} providers ...`);
      const listed = await Promise.all(
        providers.map(async (provider) => ({ provider, reached: await reach(provider) })),
      );
      if (isTTY) process.stderr.write("\r\u001b[K");
      process.stdout.write(json ? `${jsonText(asJson(listed, models), 2)}\n` : asText(listed, models));
      process.exitCode = listed.some(({ reached }) => reached.state === "unreachable") ? 1 : 0;
    });
}

type Listed = { provider: ProviderConfig; reached: Reached }[];

const asJson = (listed: Listed, models: ModelsConfig) => ({
  providers: listed.map(({ provider, reached }) => ({
    name: provider.name,
    type: provider.type,
    base_url: addressOf(provider),
    ...reached,
  })),
  aliases: Object.fromEntries(models.aliases),
  fallbacks: Object.fromEntries(models.fallbacks),
});

function asText(listed: Listed, models: ModelsConfig): string {
  const paint = painter(process.stdout);
  const marks = {
    reachable: paint("green", "ok  "),
    missing: paint("dim", "none"),
    unreachable: paint("yellow", "warn"),
  };
  const width = Math.max(...["simulated", ...models.providers.keys()].map(({ length }) => length));
  const lines = [
    `${marks.reachable}  ${"simulated".padEnd(width)}  needs nothing`,
    ...listed.map(
      ({ provider, reached }) =>
        `${marks[reached.state]}  ${provider.name.padEnd(width)}  ${provider.type} at ${addressOf(provider)}${wordsOf(reached)}`,
    ),
    ...[...models.aliases].map(([alias, id]) => `      ${alias} is ${placeOf(id, models)}`),
    ...[...models.fallbacks].map(([id, others]) => `      ${id} falls back to ${others.join(", then ")}`),
  ];
  return `${lines.join("\n")}\n`;
}

function wordsOf(reached: Reached): string {
  switch (reached.state) {
    case "reachable":
      return reached.models === null ? "" : `, ${reached.models} models`;
    case "missing":
      return `: ${reached.setting} is not set`;
    case "unreachable":
      return `: ${visibleLine(reached.reason)}`;
  }
}

function placeOf(id: string, models: ModelsConfig): string {
  const resolved = resolveModel(id, models);
  return resolved ? `${resolved.provider}/${resolved.model}` : id;
}

/** What agents can be given, in a line. */
export function modelsLine({ providers }: ModelsConfig): string {
  const ready = [...providers.values()]
    .filter(isReady)
    .map(({ name }) => (name === "anthropic" ? "claude-..." : `${name}/...`));
  const hint = ready.length > 0 ? "" : " (set DROVER_ANTHROPIC_API_KEY for claude-...)";
  return [...ready, "simulated"].join(", ") + hint;
}
