import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { exits, Failure } from "../exits.ts";
import { visibleLine } from "../terminal.ts";

/** A secret from a prompt that shows nothing of it, or from standard input; never from an argument, which others can see. */
export async function readSecret(what: string): Promise<string> {
  const secret = process.stdin.isTTY
    ? await prompted(what)
    : (await text(process.stdin)).replace(/\r?\n$/, "");
  if (secret === "") throw new Failure(`${what}: nothing was given`, exits.usage);
  if (/[\r\n]/.test(secret)) throw new Failure(`${what}: must be a single line`, exits.usage);
  return secret;
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
    lines.once("line", (line) => {
      resolve(line);
      end();
    });
    lines.once("SIGINT", () => {
      reject(new Failure("nothing was changed", exits.interrupted));
      end();
    });
    lines.once("close", () => resolve(""));
  });
}
