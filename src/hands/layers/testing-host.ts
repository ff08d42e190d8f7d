import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { SetupFailed, SetupLine } from "../driver.ts";
import { type BubblewrapOptions, bubblewrap, type Start } from "../drivers/bubblewrap.ts";
import { isUsrMerged } from "../drivers/root-filesystem.ts";
import { userNamespacesForbidden } from "../drivers/testing-namespaces.ts";
import { createNetwork } from "../network/network.ts";
import { sh, testFolder, testSpec } from "../testing.ts";
import type { SandboxSpec } from "../wire.ts";
import { fakeRegistries } from "./testing-registries.ts";

const has = (...paths: string[]) => paths.every((path) => existsSync(path));
const isDebian = has("/usr/bin/dpkg-deb", "/usr/bin/apt-get", "/var/lib/dpkg/status") && isUsrMerged();
export const skip =
  (userNamespacesForbidden && "needs user namespaces") || (!isDebian && "needs a Debian with /bin in /usr");
export const withNpm = has("/usr/bin/npm", "/usr/bin/node");
export const withPip = has("/usr/bin/python3", "/usr/lib/python3/dist-packages/pip");

/** Why what needs a program in sandboxes is skipped: they have what is in /usr. */
export function without(program: string): string | false {
  if (!has(`/usr/bin/${program}`)) return `sandboxes have no ${program}: it is not in /usr of this machine`;
  const isOld = program === "cargo" && /^cargo (0|1\.[0-6]?\d)\./.test(versionOf(program));
  return isOld && "the cargo of this machine is older than 1.70, and takes no sparse index unasked";
}
const versionOf = (program: string) =>
  execFileSync(`/usr/bin/${program}`, ["--version"], { encoding: "utf8" });

/** A host whose registries are fakes. `weaken`: of what is begun there, and of installers. */
export async function host(
  t: Pick<TestContext, "after">,
  { installers: more, ...options }: Partial<BubblewrapOptions> = {},
  weaken?: (start: Start) => Start,
) {
  const folder = testFolder();
  const registries = await fakeRegistries(join(folder.path, "egress.sock"));
  const { host_etc, variables } = registries;
  const data_dir = folder.path;
  const installers = { host_etc, variables, ...more };
  const driver = bubblewrap({ data_dir, installers, ...options }, weaken);
  const network = createNetwork({ egress_socket: join(folder.path, "egress.sock"), data_dir });
  t.after(async () => {
    await driver.close();
    await network.close();
    await registries.close();
    folder.remove();
  });
  const layers = join(folder.path, "layers");
  const names = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  return {
    ...{ driver, folder, registries },
    layers: () => names(layers).filter((name) => !name.startsWith(".")),
    left: () => [...names(join(layers, ".staging")), ...names(join(layers, ".trash"))],
    async prepare(
      spec: SandboxSpec,
      said: Pick<SetupLine[], "push"> = [],
      signal = new AbortController().signal,
    ) {
      await driver.prepare(spec, {
        onLine: (line) => void said.push(line),
        signal,
        attach: (sandbox_id, network_) =>
          network.attach({ session_id: "sesn_a", sandbox_id, spec: { ...spec, network: network_ } }),
      });
    },
    /** What a file holds that was installed, in the only layer. */
    readInLayer: async (path: string) =>
      readFileSync(
        join(layers, names(layers).find((name) => !name.startsWith(".")) ?? "", "upper", path),
        "utf8",
      ),
    async inSandbox(spec: SandboxSpec, script: string) {
      const sandbox = await driver.provision("sbx_a", spec);
      try {
        return await sh(sandbox, `exec 2>&1; ${script}`);
      } finally {
        await sandbox.destroy();
      }
    },
  };
}

export const specOf = (packages: Partial<SandboxSpec["packages"]>): SandboxSpec => ({
  ...testSpec,
  packages: { ...testSpec.packages, ...packages },
});

export const failureOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail("it was installed"),
    (error: SetupFailed) => error,
  );
