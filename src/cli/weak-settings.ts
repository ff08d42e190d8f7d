import { type Config, loopback } from "../config.ts";
import { openedHosts } from "../net/addresses.ts";
import { type Finding, warn } from "./finding.ts";

type Settings = Pick<Config, "host" | "api_key" | "allow_private_hosts" | "log_level">;

/** What is set so that it works, and helps whoever attacks. The values themselves are never shown. */
export function weakSettings(config: Settings): Finding[] {
  return [...ofApiKey(config), ...ofListening(config), ...ofPrivateHosts(config), ...ofLog(config)];
}

const keyLengthMin = 24;
const keyVarietyMin = 10;

function ofApiKey({ api_key }: Settings): Finding[] {
  if (api_key === null) return [];
  const isShort = api_key.length < keyLengthMin;
  if (!isShort && new Set(api_key).size >= keyVarietyMin) return [];
  const problem = isShort ? "is short" : "has few different characters";
  return [
    warn("api key", `DROVER_API_KEY ${problem}: set it to what \`openssl rand -hex 32\` says, or to nothing`),
  ];
}

function ofListening({ host }: Settings): Finding[] {
  if (loopback.test(host)) return [];
  return [
    warn(
      "api key",
      `others reach ${host} over plain HTTP, by which the API key goes: let a proxy that speaks TLS listen there, and set DROVER_HOST to 127.0.0.1 (a container's own address, which only that proxy reaches, is fine)`,
    ),
  ];
}

/** Where clouds say to their machines who they are, with keys. */
const metadata = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"];
const metadataNames = ["metadata.google.internal", "metadata"];
/** By the first and the last address of each. */
const privateRanges = [
  { range: "10.0.0.0/8", ends: ["10.0.0.0", "10.255.255.255"] },
  { range: "172.16.0.0/12", ends: ["172.16.0.0", "172.31.255.255"] },
  { range: "192.168.0.0/16", ends: ["192.168.0.0", "192.168.255.255"] },
  { range: "fc00::/7", ends: ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] },
];

function ofPrivateHosts({ allow_private_hosts }: Settings): Finding[] {
  const name = "opened";
  const opened = openedHosts(allow_private_hosts);
  const clouds = [
    ...metadata.filter((address) => opened.address(address)),
    ...metadataNames.filter((host) => opened.name(host)),
  ];
  const wide = privateRanges.filter(({ ends }) => ends.every((address) => opened.address(address)));
  const said: Finding[] = [];
  if (clouds.length > 0)
    said.push(
      warn(
        name,
        `DROVER_ALLOW_PRIVATE_HOSTS lets agents ask ${clouds.join(", ")}, where a cloud tells its machines their keys: name narrower subnets`,
      ),
    );
  if (wide.length > 0)
    said.push(
      warn(
        name,
        `DROVER_ALLOW_PRIVATE_HOSTS opens all of ${wide.map(({ range }) => range).join(", ")} to agents: name the hosts that they need`,
      ),
    );
  return said;
}

function ofLog({ log_level }: Settings): Finding[] {
  if (log_level !== "trace") return [];
  return [
    warn(
      "log",
      "DROVER_LOG is trace, which writes down who asked for what: set it to info when you have found what you look for",
    ),
  ];
}
