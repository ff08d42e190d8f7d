import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeCertificates } from "./certificates.ts";
import { freePort } from "./free-port.ts";

interface LoopbackHost {
  data_dir: string;
  args: string[];
  env: Record<string, string>;
}

/** Sandbox hosts on this machine, each with a data directory of its own, one storage, and servers that reach them by TLS. */
export async function loopbackHosts(
  folder: string,
  count: number,
): Promise<{ hosts: LoopbackHost[]; serve: Record<string, string> }> {
  const { PATH, HOME } = process.env;
  const shown = makeCertificates(join(folder, "certs"), { PATH, HOME });
  const addresses: string[] = [];
  const hosts: LoopbackHost[] = [];
  for (let n = 0; n < count; n += 1) {
    const data_dir = join(folder, `host-${n}`);
    mkdirSync(data_dir, { mode: 0o711 });
    const address = `127.0.0.1:${await freePort()}`;
    addresses.push(address);
    const env = { ...shown.hands, DROVER_DATA_DIR: data_dir, DROVER_STORAGE: join(folder, "storage") };
    hosts.push({ data_dir, args: ["--listen", address], env });
  }
  return {
    hosts,
    serve: { ...shown.serve, DROVER_HANDS_HOSTS: addresses.join(","), DROVER_HOST_GONE: "2" },
  };
}
