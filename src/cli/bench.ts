import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { exits } from "./exits.ts";

export const benchCommand = (): Command =>
  new Command("bench")
    .description("Measure this machine: what `npm run bench` of the repository runs, with its arguments")
    .argument("[args...]", "of the bench; -- --help shows them")
    .allowUnknownOption()
    .action(async (args: string[]) => {
      const bench = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));
      if (!existsSync(bench)) {
        process.stderr.write(
          "the bench is a part of the repository: clone it, and run npm run bench there\n",
        );
        process.exitCode = exits.failed;
        return;
      }
      const child = spawn(process.execPath, [bench, ...args], { stdio: "inherit" });
      // A terminal's Ctrl-C is for the bench, which ends in its own way.
      process.on("SIGINT", () => {});
      const [code] = (await once(child, "close")) as [number | null];
      process.exitCode = code ?? exits.failed;
    });
