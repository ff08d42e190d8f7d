import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Drover } from "./drover.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

/** What a shell is told once it has the script, so that it completes `drover vaults s`. */
const shells = {
  bash: {
    args: ["--norc"],
    check: "-n",
    before: "",
    ask: `COMP_WORDS=(drover vaults s); COMP_CWORD=2; _drover; printf "%s\\n" "\${COMPREPLY[@]}"`,
  },
  zsh: {
    args: ["-f"],
    check: "-n",
    // What is there only while a person presses a key.
    before: 'compdef() { :; }; compadd() { shift; print -l -- "$@"; };',
    ask: "words=(drover vaults s); CURRENT=3; _drover",
  },
  fish: {
    args: ["--no-config"],
    check: "--no-execute",
    before: "",
    ask: 'complete -C "drover vaults s"',
  },
};

export const isThere = (shell: keyof typeof shells): boolean =>
  (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, shell)));

/** Has a shell judge the script that `drover completion` prints for it, and then complete with it. */
export async function completedIn(shell: keyof typeof shells, drover: Drover): Promise<string[]> {
  const { args, check, before, ask } = shells[shell];
  const shim = join(drover.folder, "drover");
  writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(shim, 0o755);
  const script = join(drover.folder, `completion.${shell}`);
  writeFileSync(script, await drover.done(["completion", shell]));
  const run = (...given: string[]) =>
    execFileSync(shell, [...args, ...given], {
      cwd: drover.folder,
      env: { ...drover.env, HOME: drover.folder, PATH: `${drover.folder}:${process.env.PATH}` },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  run(check, script);
  return run("-c", `${before} source ${script}; ${ask}`).trim().split("\n").toSorted();
}
