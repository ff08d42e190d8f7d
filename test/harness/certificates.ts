import { execFileSync } from "node:child_process";
import { join } from "node:path";

const main = join(import.meta.dirname, "../../src/main.ts");

/** What each side shows the other, where they speak over the network; both are on the loopback. */
export function makeCertificates(folder: string, env: NodeJS.ProcessEnv) {
  const { NODE_COMPILE_CACHE } = process.env;
  execFileSync(process.execPath, [main, "certs", folder, "--host", "127.0.0.1"], {
    env: { NODE_COMPILE_CACHE, ...env },
    stdio: "pipe",
  });
  const shownBy = (name: string) => ({
    DROVER_HANDS_CA: join(folder, "ca.crt"),
    DROVER_HANDS_CERT: join(folder, `${name}.crt`),
    DROVER_HANDS_KEY: join(folder, `${name}.key`),
  });
  return { serve: shownBy("serve"), hands: shownBy("host-127.0.0.1") };
}
