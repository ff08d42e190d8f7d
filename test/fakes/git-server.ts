import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { filesAlone, gitBackend } from "../harness/git-backend.ts";

/** How the server treats requests for one repository, instead of having git answer them. */
export type Behaviour =
  | { status: number; headers?: Record<string, string> }
  /** Says nothing more, and calls back. */
  | { hang: () => void }
  /** Has no git that answers: it hands out the files of the repository, which has to be prepared for that. */
  | "files"
  /** Breaks the connection off in the middle of what it sends. */
  | "cut";

/** What was asked of the server. */
export interface GitRequest {
  path: string;
  authorization: string | null;
}

/** A server of git repositories on loopback: git's own program behind HTTP, with tokens, and with faults. */
export interface GitServer {
  /** Without a trailing slash: repositories are at `<url>/<owner>/<repository>`. */
  url: string;
  requests: GitRequest[];
  /** Makes a repository of these files, on the branch main, unless git is told more by `more`. Answers its commit. */
  create(path: string, files: Record<string, string>, more?: (git: Git) => void): string;
  /** One more commit. */
  change(path: string, files: Record<string, string>, more?: (git: Git) => void): string;
  remove(path: string): void;
  /** Only with this token; null: with none. */
  protect(path: string, token: string | null): void;
  behave(path: string, behaviour: Behaviour | null): void;
  close(): Promise<void>;
}

export type Git = (...args: string[]) => string;

export const author = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"];

export async function startGitServer(): Promise<GitServer> {
  const root = mkdtempSync(join(tmpdir(), "drover-git-server-"));
  const answerOf = gitBackend(root);
  const fileOf = filesAlone(root);
  const tokens = new Map<string, string>();
  const behaviours = new Map<string, Behaviour>();
  const requests: GitRequest[] = [];

  const server = createServer((request, response) => {
    const path = /^\/([^/]+\/[^/]+)/.exec(request.url ?? "")?.[1] ?? "";
    requests.push({ path: request.url ?? "", authorization: request.headers.authorization ?? null });
    answer(path, request, response).catch(() => response.destroy());
  });

  async function answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = tokens.get(path);
    if (token !== undefined && passwordOf(request) !== token) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    const behaviour = behaviours.get(path);
    if (behaviour === undefined) return answerOf(request, response);
    if (behaviour === "files") fileOf(request, response);
    else if (behaviour === "cut") {
      if (request.method === "GET") return answerOf(request, response);
      request.resume();
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
      response.write("000dpackfile\n", () => response.destroy());
    } else if ("hang" in behaviour) {
      request.resume();
      behaviour.hang();
    } else response.writeHead(behaviour.status, behaviour.headers).end();
  }

  const gitIn =
    (folder: string): Git =>
    (...args) =>
      execFileSync("git", [...author, ...args], {
        cwd: folder,
        encoding: "utf8",
        env: { PATH: process.env.PATH, HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" },
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();

  function commit(
    path: string,
    files: Record<string, string>,
    more: ((git: Git) => void) | undefined,
  ): string {
    const work = join(root, ".work", path);
    const git = gitIn(work);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(work, name)), { recursive: true });
      writeFileSync(join(work, name), content);
    }
    git("add", "--all");
    git("commit", "--quiet", "--allow-empty", "--message", "A change");
    more?.(git);
    git("push", "--quiet", "--force", "--mirror", join(root, path));
    gitIn(join(root, path))("update-server-info");
    return git("rev-parse", "main");
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    create(path, files, more) {
      const work = join(root, ".work", path);
      mkdirSync(work, { recursive: true });
      gitIn(work)("init", "--quiet", "--initial-branch=main");
      mkdirSync(join(root, path), { recursive: true });
      gitIn(join(root, path))("init", "--quiet", "--bare", "--initial-branch=main");
      return commit(path, files, more);
    },
    change: commit,
    remove(path) {
      for (const folder of [join(root, path), join(root, ".work", path)])
        rmSync(folder, { recursive: true, force: true });
    },
    protect(path, token) {
      if (token === null) tokens.delete(path);
      else tokens.set(path, token);
    },
    behave(path, behaviour) {
      if (behaviour === null) behaviours.delete(path);
      else behaviours.set(path, behaviour);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function passwordOf({ headers: { authorization = "" } }: IncomingMessage): string | undefined {
  const [scheme, value = ""] = authorization.split(" ");
  return scheme === "Basic" ? Buffer.from(value, "base64").toString().split(":")[1] : undefined;
}
