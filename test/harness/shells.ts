import { execFile } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Drover } from "./drover.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

/** What a shell is told once it has the script, so that it completes `drover vaults s`. */
const shells = {
  bash: {
    args: ["--norc"],
    check: "-n",
    before: "",
    ask: `COMP_LINE="drover vaults s"; COMP_WORDS=(drover vaults s); COMP_CWORD=2; _drover; printf "%s\\n" "\${COMPREPLY[@]}"`,
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
export async function completedIn(
  shell: keyof typeof shells,
  drover: Drover,
  ask: string = shells[shell].ask,
): Promise<string[]> {
  const { args, check, before } = shells[shell];
  const shim = join(drover.folder, "drover");
  writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(shim, 0o755);
  const script = join(drover.folder, `completion.${shell}`);
  writeFileSync(script, await drover.done(["completion", shell]));
  const run = (...given: string[]) =>
    promisify(execFile)(shell, [...args, ...given], {
      cwd: drover.folder,
      env: { ...drover.env, HOME: drover.folder, PATH: `${drover.folder}:${process.env.PATH}` },
    });
  await run(check, script);
  const { stdout } = await run("-c", `${before} source ${script}; ${ask}`);
  return stdout.trim().split("\n").toSorted();
}
