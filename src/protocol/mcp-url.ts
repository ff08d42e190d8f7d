/**
 * An MCP server's URL in the one form in which URLs are compared: scheme and host in small letters, no default port, no slash
 * at the end of the path, no fragment. Path and query are as they were. Null for what is no URL of the web.
 */
export function normalMcpUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { protocol, username, password, host, pathname, search } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return null;
  const user = username === "" && password === "" ? "" : `${username}:${password}@`;
  return `${protocol}//${user}${host}${pathname.replace(/(?<!\/)\/$/, "")}${search}`;
}

/** By which a vault knows the credential for an MCP server; null where there can be none. */
export function mcpKeyOf(url: string): string | null {
  const normal = normalMcpUrl(url);
  return normal === null ? null : `mcp ${normal}`;
}
