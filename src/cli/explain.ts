import type { Config } from "../config.ts";

/** An error in one line, with what to do about it where that is known. */
export function explain(error: unknown, config?: Pick<Config, "host" | "port">): string {
  if (!(error instanceof Error)) return String(error);
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC")
    return "the disk is full: make room, or set DROVER_DATA_DIR to a folder on another one";
  if (config && (syscall === "listen" || syscall === "getaddrinfo")) {
    const why: Record<string, string> = {
      EADDRINUSE: "is in use",
      EACCES: "is not allowed to this user",
      EADDRNOTAVAIL: "is not this machine's",
      ENOTFOUND: "is not a known name",
    };
    const address = `${config.host}:${config.port}`;
    return `${address} ${why[code ?? ""] ?? error.message}: set DROVER_PORT or DROVER_HOST to another one`;
  }
  return error.message.replaceAll("\n", " ");
}
