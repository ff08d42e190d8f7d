/** The address of a repository, as clients name it. `hosts` are the URLs under which there are some. */

const name = /^[A-Za-z0-9_.-]{1,100}$/;
const isName = (text: string) => name.test(text) && text !== "." && text !== "..";

/** Why it is none, or null. */
export function repositoryUrlProblem(text: string, hosts: readonly string[]): string | null {
  if (hosts.length === 0)
    return "no repository can be had: the configuration file names no repositories.hosts";
  const shape = `must be ${hosts.map((host) => `${host}/owner/repository`).join(" or ")}`;
  if (/^(ssh|git):\/\/|^[^/]*@/.test(text)) return `${shape}: SSH is not supported`;
  if (/^https?:\/\/[^/]*@/.test(text)) return `${shape}: a token belongs into authorization_token`;
  const host = hosts.find((base) => text.startsWith(`${base}/`));
  if (host === undefined) return shape;
  const parts = text.slice(host.length + 1).split("/");
  if (parts.length !== 2 || !parts.every(isName)) return shape;
  return text.endsWith(".git") ? `${shape}, without .git` : null;
}

/** The last part of it, by which people call it. */
export const repositoryName = (url: string): string => url.slice(url.lastIndexOf("/") + 1);

/** As `git check-ref-format` has it. */
export const isBranchName = (text: string): boolean =>
  Buffer.byteLength(text) <= 244 &&
  text.isWellFormed() &&
  !/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$|(^|\/)\.|\.lock(\/|$)/u.test(text) &&
  text !== "@" &&
  text !== "HEAD" &&
  text !== "";

export const isCommitSha = (text: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
