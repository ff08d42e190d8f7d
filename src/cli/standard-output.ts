import { exits } from "./exits.ts";

/** A reader that has seen enough ends a command that prints; what cannot be written in another way is a failure. */
export function heedReaders(): void {
  process.stderr.on("error", () => process.exit(process.exitCode ?? exits.failed));
  process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (code === "EPIPE") process.exit(process.exitCode);
    process.stderr.write(`what was to be printed cannot be written: ${message}\n`);
    process.exit(exits.failed);
  });
}
