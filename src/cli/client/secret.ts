import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import type { Command } from "commander";
import { exits, Failure } from "../exits.ts";
import { visibleLine } from "../terminal.ts";

/** A secret from a prompt that shows nothing of it, or from standard input; never from an argument, which others can see. */
export async function readSecret(what: string): Promise<string> {
  const secret = process.stdin.isTTY
    ? await prompted(what)
    : (await shortText(what, process.stdin)).replace(/\r?\n$/, "");
  if (secret === "") throw new Failure(`${what}: nothing was given`, exits.usage);
  if (/[\r\n]/.test(secret)) throw new Failure(`${what}: must be a single line`, exits.usage);
  return secret;
}

/** More than any secret has. */
const chars_max = 64 << 10;

async function shortText(what: string, input: NodeJS.ReadStream): Promise<string> {
  let text = "";
  for await (const chunk of input.setEncoding("utf8")) {
    text += chunk;
    if (text.length > chars_max) throw new Failure(`${what}: is too long for a secret`, exits.usage);
  }
  return text;
}

/** Somebody who gives the secret as one more argument is told so, and it is not repeated where logs have it. */
export function refuseSecrets(command: Command): void {
  if (command.args.length > command.registeredArguments.length)
    command.error(
      "error: too many arguments. A secret is none: it is asked for, or read from standard input",
    );
}

function prompted(what: string): Promise<string> {
  // The terminal's echo is off while readline has it, and what readline echoes itself goes nowhere.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  // Who types as soon as it is asked for is not shown either.
  process.stderr.write(`${visibleLine(what)} (not shown): `);
  return new Promise((resolve, reject) => {
    const end = () => {
      lines.close();
      process.stderr.write("\n");
    };
    const given: string[] = [];
    lines.on("line", (line) => {
      // What is pasted comes at once: its first line alone would be a part of the secret, and the rest a shell's.
      if (given.push(line) === 1)
        setImmediate(() => {
          resolve([...given, ...(lines.line === "" ? [] : [lines.line])].join("\n"));
          end();
        });
    });
    lines.once("SIGINT", () => {
      reject(new Failure("nothing was changed", exits.interrupted));
      end();
    });
    lines.once("close", () => resolve(""));
  });
}
