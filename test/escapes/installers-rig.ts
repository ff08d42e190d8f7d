import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import type { Start } from "../../src/hands/drivers/bubblewrap.ts";
import { allowed, checked, refused } from "../../src/hands/drivers/system-calls.ts";
import { host, specOf } from "../../src/hands/layers/testing-host.ts";
import { type Outcome, outcomeOf, type Probe } from "./attempt.ts";
import { installers } from "./attempts/installers.ts";
import { ownUids } from "./drivers.ts";

const probe = readFileSync(new URL("./probe.py", import.meta.url), "utf8");
const calls = Object.fromEntries(
  [...allowed, ...checked, ...refused].map((call) => [
    call.name,
    process.arch === "arm64" ? call.arm64 : call.x64,
  ]),
);

const serverThatAnswers = () => createServer((socket) => socket.on("error", () => {}).end("reached"));

/** What came of all that a package tried that was installed on a host of its own, by groups. */
export async function tryAsPackage(
  weaken?: (start: Start) => Start,
): Promise<(Outcome & { group: string })[]> {
  const closing: (() => unknown)[] = [];
  const after = (close: () => unknown) => void closing.push(close);
  const made = await host({ after }, { uids: ownUids(40) }, weaken);
  const data_dir = made.folder.path;
  const [server, unnamed] = [serverThatAnswers(), serverThatAnswers()];
  try {
    const secret = join(data_dir, "secret");
    writeFileSync(secret, "a secret of the host", { mode: 0o644 });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const abstract = `drover-installers-${process.pid}-${port}`;
    await new Promise<void>((resolve) => unnamed.listen(`\0${abstract}`, resolve));
    const facts = { secret, port, abstract, pid: process.pid, layers: join(data_dir, "layers") };
    const probes = installers.flatMap(({ name, attempts }) =>
      attempts.map((attempt: Probe) => ({ group: name, attempt })),
    );
    const programs = probes.map(({ attempt }) => attempt.program);
    const input = { programs, host: facts, calls, seconds: 20, folder: "/opt/tried" };
    made.registries.deb({
      name: "drover-tries",
      version: "1",
      files: { "opt/tried/probe.py": probe, "opt/tried/input.json": JSON.stringify(input) },
      postinst:
        'cd /opt/tried && python3 -I -S -c "$(cat probe.py)" <input.json >outcomes.json 2>errors || true',
    });
    const spec = specOf({ apt: ["drover-tries"] });
    await made.prepare(spec);
    const said = await made.readInLayer("opt/tried/outcomes.json");
    const answers: string[] = JSON.parse(said);
    return probes.map(({ group, attempt }, n) => ({ group, ...outcomeOf(attempt, answers[n] ?? "broken") }));
  } finally {
    server.close();
    unnamed.close();
    for (const close of closing) await close();
  }
}
