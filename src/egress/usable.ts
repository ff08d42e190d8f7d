import type { SessionSecret } from "../net/vault-wire.ts";
import { type Destination, parseAuthority } from "./destination.ts";
import { isOneOf } from "./policy.ts";
import type { Known } from "./session-vault.ts";
import { createSubstitution, type Substitution, type VariableSecret } from "./substitute.ts";

type RepositorySecret = Extract<SessionSecret, { type: "repository" }>;

/** What of a session's secrets may be used at one host, if that host is reached at all. */
export interface Usable {
  substitution: Substitution;
  /** Whether the secret is one that may stand in bodies. */
  holds(secret: VariableSecret): boolean;
  /** Whose repository git asks for there, by the path; null where it is none of the session's. */
  repositoryAt(path: string): RepositorySecret | null;
  /** Of all of these. */
  ids: string[];
}

/** Null where none may be. */
export function usableAt({ secrets }: Known, to: Destination): Usable | null {
  const variables = secrets.filter((each) => each.type === "environment_variable");
  const here = variables.filter(({ hosts }) => hosts === null || isOneOf(to.host, hosts));
  const repositories = secrets.flatMap((each) =>
    each.type === "repository" ? repositoriesOf(each, to) : [],
  );
  if (here.length + repositories.length === 0) return null;
  return {
    substitution: createSubstitution(here),
    holds: (one) => here.some(({ id, secret, body }) => body && id === one.id && secret === one.secret),
    repositoryAt: (path) => repositories.find(({ asks }) => asks(path))?.secret ?? null,
    ids: [...here, ...repositories.map(({ secret }) => secret)].map(({ id }) => id),
  };
}

interface Repository {
  secret: RepositorySecret;
  asks(path: string): boolean;
}

function repositoriesOf(secret: RepositorySecret, to: Destination): Repository[] {
  const [, authority = "", base] = /^https:\/\/([^/?#]+)(\/[^?#]+)$/i.exec(secret.url) ?? [];
  const at = parseAuthority(authority, 443);
  if (base === undefined || at?.host !== to.host || at.port !== to.port) return [];
  return [{ secret, asks: (path) => isGit(path, base) }];
}

/** What git and git-lfs ask of a repository's server. Nothing in it can lead to another one. */
const gitPaths =
  /^(\.git)?\/(info\/refs(\?[^#]*)?|git-upload-pack|git-receive-pack|info\/lfs\/(objects\/batch|locks(\?[^#]*)?|locks\/verify|locks\/[\w-]+\/unlock))$/;

const isGit = (path: string, base: string): boolean =>
  path.startsWith(base) && gitPaths.test(path.slice(base.length));
