import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checklist } from "./checklist.ts";
import type { Target } from "./context.ts";
import { type Options, readArguments, usage } from "./options.ts";
import { startOwnServer } from "./own-server.ts";
import { starting_ms_max, unreachable } from "./reachable.ts";
import { countsOf, line, markdown, resultsOf } from "./report.ts";
import { checkAll } from "./run.ts";
import { startStandIn } from "./stand-in.ts";

const options = readArguments(process.argv.slice(2));
if (options === "help") process.stdout.write(usage);
else if ("mistake" in options) {
  process.stderr.write(`${options.mistake}\n\n${usage}`);
  process.exitCode = 2;
} else await run(options);

async function run(options: Options): Promise<void> {
  const say = (text: string) => process.stderr.write(text);
  const starting = start(options, say);
  let closed: Promise<void> | null = null;
  const close = () => {
    closed ??= starting.then((server) => server.close());
    return closed;
  };
  const stop = () => void close().finally(() => process.exit(1));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const { target } = await starting;
  try {
    // Only a server that has to be told of the stand-in may be starting as late as now.
    const mistake = await unreachable(target, {
      wait_ms: options.stand_in_port === null ? 0 : starting_ms_max,
      waiting: () => say(`Waiting for ${target.url} to answer.\n`),
    });
    if (mistake !== null) {
      say(`${mistake}\n`);
      process.exitCode = 2;
      return;
    }
    const groups = checklist
      .map(({ title, items }) => ({ title, items: items.filter(({ number }) => options.only(number)) }))
      .filter(({ items }) => items.length > 0);
    const reports = await checkAll(groups, target, (result) => {
      if (result.verdict !== "not yet" && !closed) say(line(result, process.stderr));
    });
    if (options.output === "json") process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
    else if (options.output === "markdown") process.stdout.write(markdown(reports));
    else process.stdout.write(`\n${countsOf(reports)}\n`);
    if (options.write) {
      writeFileSync(join(import.meta.dirname, "../../docs/COMPATIBILITY.md"), markdown(reports));
      say("wrote docs/COMPATIBILITY.md\n");
    }
    if (resultsOf(reports).some(({ verdict }) => verdict === "does not hold")) process.exitCode = 1;
  } finally {
    await close();
  }
}

/** The server to check, and what the suite itself runs for it. */
async function start(
  { base_url, api_key, model, stand_in_port, repository, tls, wait_ms }: Options,
  say: (text: string) => void,
): Promise<{ target: Target; close(): Promise<void> }> {
  const standIn = stand_in_port === null ? null : await startStandIn(stand_in_port);
  const scripted = model ?? (standIn ? "claude-opus-5-5" : "simulated");
  if (base_url === null) {
    const own = await startOwnServer({ anthropic_url: standIn?.url });
    return {
      target: { ...own.target, model: scripted, wait_ms },
      async close() {
        await own.close();
        await standIn?.close();
      },
    };
  }
  if (standIn) {
    say(
      `The stand-in for the Messages API is at ${standIn.url}. The server at ${base_url} has to use it as the provider of ${scripted}: set its base URL of the Messages API to that, with any key (in Drover: DROVER_ANTHROPIC_BASE_URL and DROVER_ANTHROPIC_API_KEY).\n`,
    );
  }
  return {
    target: { url: base_url, api_key, model: scripted, repository, tls, wait_ms },
    close: async () => standIn?.close(),
  };
}
