import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { inParts, readElsewhere } from "./attempts.ts";
import { api, git, open } from "./hosts.ts";
import { keptWorkspace, lookEverywhere, plant } from "./look.ts";
import { askProvider, attempt, attemptAlone, prepare } from "./play.ts";
import { type Rig, startRig } from "./rig.ts";
import { createScanner, type Finding } from "./scan.ts";

export interface Outcome {
  /** Where secrets were found that should have been nowhere. */
  found: Finding[];
  /** Kinds of places in which not even the decoy was found: they were not looked at. */
  blind: string[];
  /** Of the secrets, those that whoever they are for has not received: nothing is proven of them. */
  unused: string[];
}

export interface CanaryOptions {
  /** Of another version of the program. */
  main?: string;
  /** Of the attempts those with such names; all of them if unset. */
  isTried?: (name: string) => boolean;
}

/** The whole of it: everything in a vault, a hostile agent, and a look at everything. */
export async function runCanary({ main, isTried = () => true }: CanaryOptions = {}): Promise<Outcome> {
  const rig = await startRig(main);
  let bystander: ChildProcess | null = null;
  try {
    const play = await prepare(rig);
    await attempt(rig, play, isTried);
    await askProvider(rig);
    const pass = await rig.learnPass(play.id);
    plant(rig, rig.decoy);
    bystander = await startBystander(rig.decoy);
    await keptWorkspace(rig);
    const { findings, places } = await lookEverywhere(rig, play, bystander.pid ?? 0);
    const isDecoy = ({ what }: Finding) => what.startsWith("decoy, ");
    const seen = new Set(findings.filter(isDecoy).map(({ place }) => place));
    const told = createScanner(rig.canaries);
    told.text("vault socket", "by a wrong pass", await askVault(rig, play.id, `${pass.slice(0, -1)}!`));
    for (const each of [inParts, readElsewhere])
      told.text("events", each.name, JSON.stringify(await attemptAlone(play, each)));
    const withPass = await askVault(rig, play.id, pass);
    return {
      found: [
        ...findings.filter((each) => !isDecoy(each) && !isKnown(each)),
        ...told.findings,
        ...openSockets(rig),
      ],
      blind: places.filter((place) => !seen.has(place)),
      unused: [...unusedOf(rig), ...(withPass.includes(rig.given.header) ? [] : ["session pass"])],
    };
  } finally {
    bystander?.kill("SIGKILL");
    await rig.close();
  }
}

/** `hands` tells egress the pass, and nobody else. What may go to every host goes to the other ones too. */
const isKnown = ({ place, what }: Finding) =>
  (place === "memory of hands" && what.startsWith("session pass,")) ||
  (["what other hosts received", "requests for other repositories"].includes(place) &&
    what.startsWith("everywhere,"));

function unusedOf({ hosts, accounts, given }: Rig): string[] {
  const received = (host: string) => (hosts.received.get(host) ?? []).join("\n");
  const bearers = (of: { reached: { authorization: string | null }[] }) =>
    of.reached.map(({ authorization }) => authorization).join("\n");
  const form = new URLSearchParams({ client_secret: given.client_secret }).toString();
  const basic = Buffer.from(`x-access-token:${given.repository}`).toString("base64");
  const uses: Record<string, boolean> = {
    header: received(api).includes(given.header),
    body: received(api).includes(given.body),
    everywhere: received(open).includes(given.everywhere),
    repository: received(git).includes(basic),
    bearer: bearers(accounts.bearer).includes(given.bearer),
    refresh_token: accounts.refreshes.some((said) => said.includes(given.refresh_token)),
    client_secret: accounts.refreshes.some((said) => said.includes(form)),
    "access token": bearers(accounts.oauth).includes("cnry-access-"),
    provider: accounts.provider_keys.some((key) => key.includes(given.provider)),
  };
  return Object.keys(uses).filter((name) => !uses[name]);
}

/** A process of the user by whose eyes others are looked at. */
async function startBystander(decoy: string): Promise<ChildProcess> {
  const args = ["--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "1000"];
  const child = spawn("setpriv", args, { env: { PATH: process.env.PATH, DECOY: decoy }, stdio: "ignore" });
  await once(child, "spawn");
  return child;
}

/** What is answered to whoever may connect to it and names this pass. */
async function askVault({ runtime_dir }: Rig, session_id: string, pass: string): Promise<string> {
  const socket = connect(join(runtime_dir, "vault.sock"));
  socket.write(`${JSON.stringify({ n: 1, type: "resolve", session_id, pass })}\n`);
  const [line] = await once(createInterface({ input: socket }), "line");
  socket.destroy();
  return String(line);
}

/** Those to which any other user of the machine can connect. */
function openSockets({ runtime_dir }: Rig): Finding[] {
  const script = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])";
  return ["vault.sock", "egress.sock", "hands.sock"].flatMap((name) => {
    const asStranger = ["--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"];
    const path = join(runtime_dir, name);
    const { status } = spawnSync("setpriv", [...asStranger, "-c", script, path]);
    return status === 0 ? [{ place: "sockets", where: name, what: "another user can connect to it" }] : [];
  });
}
