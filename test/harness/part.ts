import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ownMain = join(import.meta.dirname, "../../src/main.ts");

/**
 * `drover serve` or `drover hands` as a process of its own, once it is ready. One that ends before fails with its log.
 * `through`: a command that becomes it.
 */
export async function startPart(
  args: string[],
  env: NodeJS.ProcessEnv,
  main = ownMain,
  through: string[] = [],
): Promise<ChildProcess> {
  const [command = "", ...rest] = [...through, process.execPath, main, ...args];
  const child = spawn(command, rest, { env, stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      if (line.includes('"msg":"ready"')) resolve();
    });
    child.once("exit", () => reject(new Error(`drover ${args[0]} ended: ${said.join("\n")}`)));
  });
  return child;
}
