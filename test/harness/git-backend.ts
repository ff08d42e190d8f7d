import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";

/** Answers as a server does that has git's own program serve the repositories in `root`. */
export const gitBackend =
  (root: string) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://here");
    const { "content-type": type, "content-encoding": coding, "git-protocol": protocol } = request.headers;
    const child = spawn("git", ["http-backend"], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        REQUEST_METHOD: request.method,
        PATH_INFO: pathname,
        QUERY_STRING: searchParams.toString(),
        CONTENT_TYPE: type,
        HTTP_CONTENT_ENCODING: coding,
        GIT_PROTOCOL: String(protocol ?? ""),
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    // It may have said all before it has read all.
    child.stdin.on("error", () => {});
    request.pipe(child.stdin);
    const said = await buffer(child.stdout);
    const end = said.indexOf("\r\n\r\n");
    const headers = said
      .subarray(0, end)
      .toString()
      .split("\r\n")
      .map((line) => line.split(": ", 2) as [string, string]);
    const status = headers.find(([name]) => name === "Status");
    response.writeHead(
      Number.parseInt(status?.[1] ?? "200", 10),
      headers.filter(([name]) => name !== "Status").flat(),
    );
    response.end(said.subarray(end + 4));
  };

/** Answers as a server does that has the repositories in `root` as mere files. */
export const filesAlone =
  (root: string) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname } = new URL(request.url ?? "", "http://here");
    createReadStream(join(root, pathname))
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  };
