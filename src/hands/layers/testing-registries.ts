import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packagingEtc, sharedEtc } from "../drivers/root-filesystem.ts";
import { type FakeEgress, fakeEgress } from "../network/testing-egress.ts";
import { type Packages, packagesAt } from "./testing-packages.ts";

/** Registries of packages behind a fake egress process, which answers for every host: what is asked for by its URL. */
export interface Registries extends Omit<Packages, "files"> {
  egress: FakeEgress;
  /** Where managers find them. */
  variables: Record<string, string>;
  /** With the apt repository in place of the host's. */
  host_etc: string;
  close(): Promise<void>;
}

/** Without TLS, which a fake egress process could not speak for them. */
const addresses = {
  apt: "http://apt.test/debian",
  cargo: "http://cargo.test",
  crates: "http://crates.test",
  gem: "http://gem.test",
  go: "http://go.test",
  npm: "http://npm.test",
  pip: "http://pip.test",
  wheels: "http://pip.test",
};

export async function fakeRegistries(socket_path: string): Promise<Registries> {
  const folder = mkdtempSync(join(tmpdir(), "drover-registries-"));
  chmodSync(folder, 0o755);
  const { files, ...packages } = packagesAt(addresses, folder);
  const host_etc = join(folder, "etc");
  for (const name of [...sharedEtc, ...packagingEtc].filter((each) => !each.startsWith("apt/")))
    if (existsSync(`/etc/${name}`)) {
      mkdirSync(dirname(join(host_etc, name)), { recursive: true });
      // What only root may read stays out.
      spawnSync("cp", ["-r", "-P", `/etc/${name}`, join(host_etc, name)]);
    }
  mkdirSync(join(host_etc, "apt"));
  writeFileSync(join(host_etc, "apt/sources.list"), `deb [trusted=yes] ${addresses.apt} ./\n`);

  const egress = await fakeEgress(socket_path, (socket, _line, begun) => {
    let head = begun.toString("latin1");
    const hear = (chunk: Buffer) => {
      head += chunk.toString("latin1");
      for (let end = head.indexOf("\r\n\r\n"); end !== -1; end = head.indexOf("\r\n\r\n")) {
        const [method, url = ""] = head.split(" ", 2);
        head = head.slice(end + 4);
        const body = files.get(url);
        const said = body ?? Buffer.from(`there is no ${url}\n`);
        const status = body ? "200 OK" : "404 Not Found";
        const type = url.endsWith("/") ? "text/html" : "application/octet-stream";
        socket.write(`HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${said.length}\r\n\r\n`);
        if (method !== "HEAD") socket.write(said);
      }
    };
    socket.on("data", hear);
    socket.resume();
    hear(Buffer.alloc(0));
  });

  return {
    ...packages,
    egress,
    host_etc,
    variables: {
      CARGO_MIRROR: `sparse+${addresses.cargo}/`,
      GEM_MIRROR: addresses.gem,
      GOPROXY: addresses.go,
      GONOSUMDB: "*",
      NPM_CONFIG_REGISTRY: `${addresses.npm}/`,
      NPM_CONFIG_FETCH_RETRIES: "0",
      PIP_INDEX_URL: `${addresses.pip}/simple`,
      PIP_TRUSTED_HOST: "pip.test",
      PIP_RETRIES: "0",
    },
    async close() {
      await egress.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
