import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { limits } from "../limits.ts";
import { AddressRefused, hostOf, type Reach } from "../net/reach.ts";
import { createTurns, type Turns } from "../tools/web/turns.ts";
import { type RepositoryFailure, refusalOf } from "./failures.ts";
import { type GitResult, NoGit, runGit, tooOld } from "./git.ts";
import { type FoundSkill, skillsAt } from "./skills.ts";
import type { WorkingCopies, WorkingCopy } from "./working-copies.ts";

export interface Wanted {
  url: string;
  token: string | null;
  /** Null: the default branch. */
  checkout: { type: "branch"; name: string } | { type: "commit"; sha: string } | null;
}

/** What was wanted of a repository, in one file. */
export interface Fetched {
  /** A git bundle, which is there until `use` ends, and its size. */
  bundle: string;
  bytes: number;
  /** What the bundle calls it. */
  ref: string;
  commit: string;
  /** Null: a commit was wanted, of no branch. */
  branch: string | null;
  /** What agents may read there of how things are done. */
  skills: FoundSkill[];
}

/** Gets repositories from their servers. What goes wrong with one is an answer; only an abort is thrown. */
export interface Repositories {
  /** With its own token each time, however much of it is here already: the server says who may have it. */
  fetch<Result>(
    wanted: Wanted,
    options: { signal: AbortSignal; onLine(line: string): void },
    use: (fetched: Fetched) => Promise<Result>,
  ): Promise<Result | RepositoryFailure>;
}

export interface RepositoriesParts {
  /** Plain http is spoken with these alone. */
  hosts: readonly { url: string }[];
  reach: Reach;
  copies: WorkingCopies;
}

class Failed extends Error {
  readonly failure: RepositoryFailure;
  constructor(failure: RepositoryFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export function createRepositories({ hosts, reach, copies }: RepositoriesParts): Repositories {
  const turns = createTurns(limits.repositories_parallel_max);
  /** One at a time for each URL: the next finds what the one before has fetched. */
  const perUrl = new Map<string, { turns: Turns; users: number }>();

  async function inTurn<Result>(url: string, signal: AbortSignal, work: () => Promise<Result>) {
    const mine = perUrl.get(url) ?? { turns: createTurns(1), users: 0 };
    perUrl.set(url, { ...mine, users: mine.users + 1 });
    const ends: (() => void)[] = [];
    try {
      ends.push(await mine.turns.take(signal));
      ends.push(await turns.take(signal));
      return await work();
    } finally {
      for (const end of ends) end();
      const left = (perUrl.get(url)?.users ?? 1) - 1;
      if (left === 0) perUrl.delete(url);
      else perUrl.set(url, { ...mine, users: left });
    }
  }

  /** By what git reaches the server of a URL: one address that was judged, and the token for it alone. */
  async function configFor({ url, token }: Wanted): Promise<[string, string][]> {
    const { protocol, hostname, port, origin } = new URL(url);
    if (!hosts.some((host) => url.startsWith(`${host.url}/`)))
      throw new Failed(cloneError(`The server takes no repositories from ${origin} any more.`));
    const host = hostOf(hostname);
    const addresses = await reach.addressesOf(host).catch((error) => {
      const why = error instanceof AddressRefused ? error.message : `${host} was not found`;
      throw new Failed(cloneError(`The repository's server cannot be reached: ${why}.`));
    });
    const portNumber = port || (protocol === "http:" ? "80" : "443");
    const shown = addresses.map((address) => (isIP(address) === 6 ? `[${address}]` : address));
    return [
      ...(protocol === "http:" ? [["protocol.http.allow", "always"] as [string, string]] : []),
      ...(isIP(host) === 0
        ? [["http.curloptResolve", `${host}:${portNumber}:${shown.join(",")}`] as [string, string]]
        : []),
      ...(token === null
        ? []
        : [
            [`http.${origin}/.extraHeader`, `Authorization: Basic ${credentials(token)}`] as [string, string],
          ]),
    ];
  }

  return {
    async fetch(wanted, { signal, onLine }, use) {
      try {
        return await inTurn(wanted.url, signal, async () => {
          const { stdout: version } = await runGit(["--version"], { signal });
          const problem = tooOld(version);
          if (problem !== null) throw new Failed(cloneError(`${problem}.`));
          const config = await configFor(wanted);
          const secrets = wanted.token === null ? [] : [credentials(wanted.token), wanted.token];
          const run = async (args: string[], folder?: string): Promise<GitResult> =>
            runGit(args, { ...(folder && { folder }), config, secrets, signal, onLine });
          return copies.use(wanted.url, async (copy) => use(await bring(wanted, copy, run)));
        });
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof Failed) return error.failure;
        if (error instanceof NoGit) return cloneError(`${error.message}.`);
        const code = diskErrorOf(error);
        if (code !== null) return cloneError(diskMessage(code));
        throw error;
      }
    },
  };
}

type Run = (args: string[], folder?: string) => Promise<GitResult>;

/** Asks the server what there is, has it send what is missing, and packs what is wanted. */
async function bring(wanted: Wanted, copy: WorkingCopy, run: Run): Promise<Fetched> {
  const { url } = wanted;
  const { repository } = copy;
  const found = await ask(wanted, run);
  const ref = `refs/drover/${createHash("sha256").update(found.named).digest("hex")}`;
  if (copy.isNew) await succeed(run(["init", "--quiet", "--bare", "--template=", "."], repository), wanted);
  const commitOf = (name: string) =>
    run(["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`], repository);
  const known = (await commitOf(ref)).stdout.trim();
  if (known === "" || known !== found.sha) {
    const refspec = `+${found.named}:${ref}`;
    const fetching = run(
      [
        ...["fetch", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--progress", wholeHistory],
        ...["--", url, refspec],
      ],
      repository,
    );
    const { code, said } = await fetching;
    if (code !== 0) throw new Failed(missingIn(said, wanted) ?? refusalOf(said, wanted));
    await tidy(run, repository);
    await copy.publish();
  }
  const commit = (await commitOf(ref)).stdout.trim();
  if (commit === "") throw new Failed(checkoutError(`${nameOf(wanted)} is not a commit.`));
  const bundle = join(copy.folder, "bundle");
  await succeed(run(["bundle", "create", "--quiet", bundle, ref], repository), wanted);
  const skills = await skillsAt(commit, (args) => run(args, repository));
  return { bundle, bytes: (await stat(bundle)).size, ref, commit, branch: found.branch, skills };
}

/**
 * What there is, and asked for in a way that only a git on the other side can answer: of what lies on a server as mere files,
 * git would check no object, and there would be no end to it.
 */
const wholeHistory = "--depth=2147483647";

/** Proves by the token that it may be had, and says which commit that is. */
async function ask(wanted: Wanted, run: Run) {
  const { url, checkout } = wanted;
  const branch = checkout?.type === "branch" ? checkout.name : null;
  const patterns = ["HEAD", ...(branch === null ? [] : [`refs/heads/${branch}`])];
  const { code, stdout, said } = await run(["ls-remote", "--symref", "--", url, ...patterns]);
  if (code !== 0) throw new Failed(refusalOf(said, wanted));
  if (checkout?.type === "commit") return { named: checkout.sha, sha: checkout.sha, branch: null };
  const lines = stdout.split("\n");
  const head = /^ref: refs\/heads\/(.+)\tHEAD$/.exec(
    lines.find((line) => line.startsWith("ref: ")) ?? "",
  )?.[1];
  const name = branch ?? head;
  const at = `refs/heads/${name}`;
  // Patterns match the end of names: what a branch is called that ends like this one, it is not.
  const sha = lines
    .filter((line) => !line.startsWith("ref: "))
    .map((line) => line.split("\t"))
    .find(([, ref]) => ref === (branch === null ? "HEAD" : at))?.[0];
  if (name === undefined || sha === undefined)
    throw new Failed(
      checkoutError(
        branch === null ? "The repository has no default branch." : `${nameOf(wanted)} does not exist.`,
      ),
    );
  return { named: at, sha, branch: name };
}

async function tidy(run: Run, repository: string): Promise<void> {
  const { stdout } = await run(["count-objects", "--verbose"], repository);
  const packs = Number(/^packs: (\d+)$/m.exec(stdout)?.[1] ?? 0);
  if (packs > limits.repository_packs_max) await run(["repack", "-a", "-d", "--quiet"], repository);
}

async function succeed(running: Promise<GitResult>, wanted: Wanted): Promise<void> {
  const { code, said } = await running;
  if (code !== 0) throw new Failed(refusalOf(said, wanted));
}

/** The server is there, and does not have this commit. */
const missingIn = (said: string, wanted: Wanted): RepositoryFailure | null =>
  /not our ref|unadvertised object|couldn't find remote ref|did not send all necessary objects/.test(said)
    ? checkoutError(`${nameOf(wanted)} does not exist.`)
    : null;

const nameOf = ({ checkout }: Wanted): string =>
  checkout === null
    ? "The default branch"
    : checkout.type === "branch"
      ? `The branch ${checkout.name}`
      : `The commit ${checkout.sha}`;

/** What the disk says under the folder in which repositories are kept. */
const diskErrorOf = (error: unknown): string | null =>
  error instanceof Error && "syscall" in error && "code" in error ? String(error.code) : null;

const diskMessage = (code: string): string =>
  ["ENOSPC", "EDQUOT"].includes(code)
    ? "The server has no room for the repository."
    : `The server could not keep what it has fetched (${code}).`;

/** What servers take as a user's name beside a token. */
const credentials = (token: string) => Buffer.from(`x-access-token:${token}`).toString("base64");

const cloneError = (message: string): RepositoryFailure => ({ type: "repository_clone_error", message });
const checkoutError = (message: string): RepositoryFailure => ({
  type: "repository_checkout_error",
  message,
});
