import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ownMain = join(import.meta.dirname, "../../src/main.ts");

/** `drover serve` or `drover hands` as a process of its own, once it is ready. One that ends before fails with its log. */
export async function startPart(
  args: string[],
  env: NodeJS.ProcessEnv,
  main = ownMain,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
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
