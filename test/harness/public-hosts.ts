import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Egress, startEgress } from "../../src/egress/egress.ts";
import { type Packages, packagesAt } from "../../src/hands/layers/testing-packages.ts";
import { certificateOf } from "./egress.ts";
import { gitBackend } from "./git-backend.ts";

/** Where programs look for packages that nobody has told where. */
const registries = {
  apt: "http://deb.debian.org/debian",
  cargo: "https://index.crates.io",
  crates: "https://static.crates.io/crates",
  gem: "https://index.rubygems.org",
  go: "https://proxy.golang.org",
  npm: "https://registry.npmjs.org",
  pip: "https://pypi.org",
  wheels: "https://files.pythonhosted.org",
};

/**
 * Hosts of the internet, as far as sandboxes can tell: the registries that everybody uses, `git.test` with the repository
 * /repo, and hosts that say what they were asked for. All are at one address of this machine, at the ports of the web.
 */
export interface PublicHosts {
  packages: Packages;
  /** Of the authority that all of them are certified by. */
  ca: string;
  /** One that takes every name for one of these hosts. */
  egress(socket_path: string): Promise<Egress>;
  close(): void;
}

/** Ports below 1024 are root's. */
export const skipPublicHosts = process.getuid?.() === 0 ? false : "needs ports 80 and 443, so root";

export async function publicHosts(...names: string[]): Promise<PublicHosts> {
  const folder = mkdtempSync(join(tmpdir(), "drover-public-"));
  const packages = packagesAt(registries, folder);
  const hosts = Object.values(registries).map((url) => new URL(url).hostname);
  const tls = await certificateOf(folder, ...new Set([...hosts, ...names, "git.test"]));
  makeRepository(join(folder, "git"));
  const git = gitBackend(join(folder, "git"));
  const answer = (scheme: string) => (request: IncomingMessage, response: ServerResponse) => {
    const { host = "" } = request.headers;
    if (host === "git.test") return void git(request, response);
    const url = `${scheme}://${host}${request.url}`;
    const file = packages.files.get(url);
    const isMissing = !file && hosts.includes(host);
    response.writeHead(isMissing ? 404 : 200, {
      "content-type": url.endsWith("/") ? "text/html" : "application/octet-stream",
    });
    response.end(file ?? (isMissing ? `there is no ${url}\n` : url));
  };
  const servers = [
    { server: createHttpServer(answer("http")), port: 80 },
    { server: createHttpsServer(tls, answer("https")), port: 443 },
  ];
  const address = ownAddress();
  for (const { server, port } of servers) await once(server.listen(port, address), "listening");
  return {
    packages,
    ca: tls.ca,
    egress: (socket_path) =>
      startEgress({
        socket_path,
        allow_private_hosts: [address],
        package_hosts: [],
        resolve: async () => [address],
      }),
    close() {
      for (const { server } of servers) {
        server.close();
        server.closeAllConnections();
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Of the loopback, an address of this process's own. */
export function ownAddress(): string {
  const [high, low] = [process.pid >> 8, process.pid & 255];
  return `127.${64 + ((high >> 8) & 63)}.${high & 255}.${low || 1}`;
}

/** A bare one, `repo`, whose one file is `file`. */
function makeRepository(folder: string): void {
  const work = join(folder, "work");
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", work, "-c", "user.name=a", "-c", "user.email=a@b.test", ...args], {
      stdio: "pipe",
    });
  mkdirSync(work, { recursive: true });
  git("init", "-q");
  writeFileSync(join(work, "file"), "cloned\n");
  git("add", ".");
  git("commit", "-qm", "one");
  git("clone", "-q", "--bare", ".", join(folder, "repo"));
}
