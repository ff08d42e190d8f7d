import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import type { Config } from "../config.ts";
import { connectHands } from "../hands/one-host.ts";
import type { SandboxSpec } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import { cloudDefault, imageName } from "../protocol/environments.ts";
import { sandboxSpec } from "../tools/sandbox-spec.ts";
import { createWorkerSkills } from "../worker/skills.ts";
import { runWorker } from "../worker/worker.ts";
import { lifetime } from "./child.ts";
import { explainAt } from "./client/connection.ts";
import { answersLocally, configOrExit, handsSocketOf, prepareFolders, serverUrlOrExit } from "./machine.ts";
import { serverUrl } from "./server-url.ts";

interface WorkerCommandOptions {
  environment: string;
  baseUrl?: string;
  name?: string;
  sessions: number;
  image?: string;
  network: boolean;
  idle?: number;
  socket?: string;
}

export function workerCommand(): Command {
  return new Command("worker")
    .description("Serve sessions of a self-hosted environment, with sandboxes of this machine")
    .addHelpText(
      "after",
      "\nThe environment key is in DROVER_ENVIRONMENT_KEY. The sandboxes are run by `drover hands` of this data directory.",
    )
    .requiredOption("--environment <id>", "the environment")
    .option(
      "--base-url <url>",
      "the server's address (default: DROVER_BASE_URL, or the server on this machine)",
      serverUrl,
    )
    .option("--name <name>", "what it calls itself (default: this machine's name and the process id)")
    .option("--sessions <n>", "how many sessions it serves at a time", countUpTo(64), 4)
    .option("--image <name>", "the root filesystem of its sandboxes (default: the driver's own)", image)
    .option("--no-network", "sandboxes reach nothing (default: what drover egress of this machine allows)")
    .option(
      "--idle <seconds>",
      "when it leaves a session that has nothing to do (default: 60)",
      countUpTo(86_400),
    )
    .option("--socket <path>", "where drover hands listens (default: the socket of this data directory)")
    .action(worker);
}

async function worker(options: WorkerCommandOptions): Promise<void> {
  const life = lifetime("drover worker", false);
  const config = configOrExit();
  const { DROVER_ENVIRONMENT_KEY: environment_key } = process.env;
  if (!environment_key) {
    return life.fail("DROVER_ENVIRONMENT_KEY is not set: `drover environments keys create` makes a key");
  }
  const url = options.baseUrl ?? serverUrlOrExit();
  const socket_path = options.socket ?? handsSocketOf(config);
  const logger = pino({ level: config.log_level }, pino.destination({ dest: 2, sync: true }));
  const said = (level: "error" | "warn" | "info" | "debug") => (message: string, fields?: object) =>
    logger[level](fields ?? {}, message);
  const log = { error: said("error"), warn: said("warn"), info: said("info"), debug: said("debug") };
  const stop = new AbortController();
  life.stopped.then(() => stop.abort());
  try {
    const folder = ownFolder(config);
    if (!(await answersLocally(socket_path)))
      throw new Error(`no drover hands answers at ${socket_path}; start it beside the worker`);
    const onTrouble = (error: unknown) => logger.warn({ err: error }, "drover hands cannot be reached");
    const skills = createWorkerSkills(join(folder, "contents"));
    const hands = connectHands({ socket_path, onTrouble, mounts: skills.source });
    const { environment: environment_id, sessions, idle } = options;
    const name = options.name ?? `${hostname()}-${process.pid}`;
    const spec = specOf(options, config);
    const idle_ms = idle === undefined ? limits.worker_idle_ms : idle * 1_000;
    logger.info({ url, environment_id, name, sessions }, "ready");
    await runWorker(
      { url, environment_id, environment_key, name, sessions, idle_ms, hands, skills, spec, folder, log },
      stop.signal,
    );
    hands.close();
  } catch (error) {
    life.fail(
      error instanceof Anthropic.AuthenticationError
        ? `the server at ${url} refuses the environment key`
        : explainAt(url, error),
    );
  }
  process.exit(0);
}

function ownFolder(config: Config): string {
  prepareFolders(config);
  const folder = join(config.data_dir, "worker");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** As a session in the cloud has it, where nothing else is said. */
function specOf({ image, network }: WorkerCommandOptions, { sandboxes }: Config): SandboxSpec {
  const spec = sandboxSpec({
    environment: { ...cloudDefault, ...(image !== undefined && { image }) },
    agent: { mcp_servers: [] },
    settings: sandboxes,
  });
  return network ? spec : { ...spec, network: { type: "none" } };
}

const countUpTo = (most: number) => (text: string) => {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= most) return count;
  throw new InvalidArgumentError(`must be a whole number from 1 to ${most}`);
};

function image(text: string): string {
  const named = imageName.safeParse(text);
  if (named.success) return named.data;
  throw new InvalidArgumentError("must be the name of an image, such as debian or python:3.13");
}
