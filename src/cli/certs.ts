import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Pair } from "./certificates.ts";
import { explain } from "./explain.ts";
import { type Form, printDrawn } from "./print.ts";

interface CertsOptions extends Form {
  days: number;
  host?: string[];
  egress?: string[];
}

const dayMs = 24 * 3_600_000;
const caDays = 3_650;

export function certsCommand(): Command {
  return new Command("certs")
    .description("Make the certificates by which servers and sandbox hosts on other machines know each other")
    .argument("<folder>", "where the files go; an authority that lies there already signs the new ones")
    .option("--host <name>", "a sandbox host, by the name or address that servers reach it by", addName)
    .option(
      "--egress <name>",
      "an egress beside a server, by the name or address that sandbox hosts reach it by",
      addName,
    )
    .option("--days <number>", "how long the certificates hold", days, 365)
    .option("--json", "print what was made as an array of JSON")
    .action(async (folder: string, options: CertsOptions) => {
      try {
        printDrawn(options, await makeFiles(resolve(folder), options), (made) =>
          made.map(({ certificate, key, what }) => `${certificate}  ${key}  ${what}\n`).join(""),
        );
      } catch (error) {
        process.stderr.write(`drover certs: ${explain(error)}\n`);
        process.exitCode = 1;
      }
    });
}

function addName(name: string, before: string[] = []): string[] {
  if (isIP(name) === 0 && !/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(name))
    throw new InvalidArgumentError("must be a host name or an address, without a port");
  return [...before, name];
}

function days(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= caDays) return count;
  throw new InvalidArgumentError(`must be a whole number from 1 to ${caDays}`);
}

interface Made {
  certificate: string;
  key: string;
  /** In words. */
  what: string;
}

/** What was made. The serve's is made when it is missing, and again when nobody else is named. */
async function makeFiles(
  folder: string,
  { days, host: hosts = [], egress = [] }: CertsOptions,
): Promise<Made[]> {
  // Loaded only here: no other command makes certificates.
  const { makeAuthority, makeCertificate } = await import("./certificates.ts");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const from = new Date(Date.now() - dayMs);
  const said: Made[] = [];
  const path = (name: string, ending: "crt" | "key") => join(folder, `${name}.${ending}`);
  const write = (name: string, pair: Pair, what: string) => {
    writeFileSync(path(name, "key"), pair.key, { mode: 0o600, flush: true });
    writeFileSync(path(name, "crt"), pair.cert, { mode: 0o644, flush: true });
    said.push({ certificate: path(name, "crt"), key: path(name, "key"), what });
  };

  if (existsSync(path("ca", "crt")) !== existsSync(path("ca", "key")))
    throw new Error(`${folder} has one of ca.crt and ca.key: both are needed to sign, or none of them`);
  if (!existsSync(path("ca", "key"))) {
    const authority = await makeAuthority({ from, to: new Date(Date.now() + caDays * dayMs) });
    write("ca", authority, "the authority: keep its key off every server and host");
  }
  const authority = {
    cert: readFileSync(path("ca", "crt"), "utf8"),
    key: readFileSync(path("ca", "key"), "utf8"),
  };
  const to = new Date(Date.now() + days * dayMs);
  if (hosts.length + egress.length === 0 || !existsSync(path("serve", "key"))) {
    const pair = await makeCertificate(authority, { role: "serve", name: "serve", addresses: [], from, to });
    write("serve", pair, "for every drover serve");
  }
  for (const name of hosts) {
    const file = `host-${name.replaceAll(":", "_")}`;
    const pair = await makeCertificate(authority, { role: "hands", name, addresses: [name], from, to });
    write(file, pair, `for drover hands --listen on ${name}`);
    const way = await makeCertificate(authority, { role: "host egress", name, addresses: [], from, to });
    write(`${file}-egress`, way, `for drover egress on ${name}, with DROVER_EGRESS_UPSTREAM`);
  }
  for (const name of egress) {
    const pair = await makeCertificate(authority, { role: "egress", name, addresses: [name], from, to });
    write(`egress-${name.replaceAll(":", "_")}`, pair, `for drover egress --listen on ${name}`);
  }
  return said;
}
