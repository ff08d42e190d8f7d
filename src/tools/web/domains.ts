/** The domain rules of a web tool: of two lists, at most one is there. */
export interface DomainRules {
  allowed_domains?: string[] | null;
  blocked_domains?: string[] | null;
}

/** Whether the rules let a URL through. An entry stands for its subdomains too, and with a path for what is below it. */
export function mayVisit(rules: DomainRules, url: URL): boolean {
  const under = (entry: string) => isUnder(entry, url);
  if (rules.allowed_domains) return rules.allowed_domains.some(under);
  return !rules.blocked_domains?.some(under);
}

function isUnder(entry: string, url: URL): boolean {
  const slash = entry.indexOf("/");
  const domain = (slash < 0 ? entry : entry.slice(0, slash)).toLowerCase();
  const path = slash < 0 ? "" : entry.slice(slash).replace(/\/$/, "");
  const host = url.hostname.toLowerCase().replace(/\.+$/, "");
  if (host !== domain && !host.endsWith(`.${domain}`)) return false;
  return path === "" || url.pathname === path || url.pathname.startsWith(`${path}/`);
}
