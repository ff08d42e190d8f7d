/** Domain lists of the web tools. */

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** No top-level domain is a number, so this also leaves out every spelling of an IPv4 address. */
const topLabel = /^([a-z]{2,63}|xn--[a-z0-9-]{1,59})$/;
const localNames = new Set([
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "lan",
  "home",
  "arpa",
]);

/** What is wrong with a domain, if anything. */
export function domainProblem(domain: string, options: { path: boolean }): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(domain)) return "must be plain ASCII; write an international name in punycode";
  if (domain.includes("://")) return "must be a plain hostname without a scheme";
  if (domain.includes("*")) return "must not hold a wildcard; subdomains are included anyway";
  const [host = "", ...path] = domain.toLowerCase().split("/");
  if (path.join("/") !== "" && !options.path) return "must be a plain hostname without a path";
  if (/[?#]/.test(domain)) return "must not hold a query or a fragment";
  if (host.includes(":")) return "must be a hostname without a port, and not an IP address";
  const labels = host.split(".");
  const top = labels.at(-1) ?? "";
  if (localNames.has(top)) return "must not be a local name";
  if (labels.length < 2) return "must be a full domain such as example.com";
  if (host.length > 253 || !topLabel.test(top) || !labels.every((part) => label.test(part))) {
    return "must be a hostname such as docs.example.com, and not an IP address";
  }
  return undefined;
}

/** Domains that differ only in case or in a closing slash are the same. */
export const sameDomainKey = (domain: string) => domain.toLowerCase().replace(/\/$/, "");

const hostLabel = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Whether it can stand in an environment's `allowed_hosts`: a bare name, or one under a leading `*.`. */
export function isAllowedHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\*\./, "");
  return name.length <= 253 && name.split(".").every((part) => hostLabel.test(part));
}
