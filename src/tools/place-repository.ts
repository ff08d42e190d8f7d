import { type FileHandle, open } from "node:fs/promises";
import type { Operation } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import { type Finished, script, stderr, stdout } from "./tool.ts";

/** A repository as it was fetched: a git bundle, and what is wanted of it. */
export interface BundledRepository {
  bundle: string;
  bytes: number;
  /** What the bundle calls it. */
  ref: string;
  commit: string;
  /** Null: the commit, of no branch. */
  branch: string | null;
}

export interface RepositoryPlace {
  url: string;
  mount_path: string;
}

/** Runs one step in the sandbox, under a name of its own. Throws where there is no sandbox, or no answer. */
export type Execute = (step: string, operation: Operation, timeout_ms: number) => Promise<Finished>;

/** What stands at the place before anything is done. */
export type Found = "nothing" | "repository" | "something_else" | "no_git";

/** The folder in a workspace that all comes through. What an earlier attempt has left in it goes. */
const transitInside = "/workspace/.drover-repositories";

/** Every repository that was placed says so in its configuration. */
const mark = "drover.repository";

const look = `
command -v git > /dev/null || { echo no_git; exit; }
if [ ! -e "$1" ] && [ ! -L "$1" ]; then echo nothing
elif [ -e "$1/.git" ] && [ "$(git --git-dir="$1/.git" config --local --get ${mark})" = "$2" ]; then echo repository
elif [ -d "$1" ] && [ ! -L "$1" ] && [ -z "$(ls -A "$1")" ]; then echo nothing
else echo something_else; fi`;

const begin = `rm -rf ${transitInside} && mkdir -p "$1"`;

const piece = `cat >> "$1/bundle"`;

// What is checked out is moved to its place at last, as a whole: nobody ever sees half of a repository there.
const place = `
set -eu
transit=$1 target=$2 url=$3 ref=$4 commit=$5 branch=$6
trap 'rm -rf ${transitInside}' EXIT
export GIT_LFS_SKIP_SMUDGE=1 GIT_TERMINAL_PROMPT=0
clone=$transit/clone
git init --quiet "$clone"
cd "$clone"
git config ${mark} "$url"
git remote add origin "$url"
if [ -n "$branch" ]; then
  git fetch --quiet --no-tags "$transit/bundle" "+$ref:refs/remotes/origin/$branch"
  git update-ref "refs/heads/$branch" "$commit"
  git symbolic-ref HEAD "refs/heads/$branch"
  git config "branch.$branch.remote" origin
  git config "branch.$branch.merge" "refs/heads/$branch"
else
  git fetch --quiet --no-tags "$transit/bundle" "$ref"
fi
rm -f "$transit/bundle" .git/FETCH_HEAD
if [ -n "$branch" ]; then git reset --quiet --hard; else git checkout --quiet --detach "$commit"; fi
cd /workspace
mkdir -p "$(dirname "$target")"
[ ! -d "$target" ] || rmdir "$target"
mv -T "$clone" "$target"`;

export async function lookAtPlace({ mount_path, url }: RepositoryPlace, execute: Execute): Promise<Found> {
  const result = await execute("look", script(look, [mount_path, url]), limits.file_tool_timeout_ms);
  const said = stdout(result).trim();
  const known = (["nothing", "repository", "something_else", "no_git"] as const).find(
    (found) => found === said,
  );
  if (!known) throw new Error(stderr(result).trim() || `exit code ${result.exit_code}`);
  return known;
}

/** Null when it stands there, whole; else what the sandbox said. `attempt` is a name that no attempt has had before. */
export async function placeRepository(
  { url, mount_path }: RepositoryPlace,
  { bundle, bytes, ref, commit, branch }: BundledRepository,
  attempt: string,
  execute: Execute,
  onProgress: (line: string) => void,
): Promise<string | null> {
  const transit = `${transitInside}/${attempt}`;
  const begun = await execute("begin", script(begin, [transit]), limits.file_tool_timeout_ms);
  if (begun.exit_code !== 0) return problemOf(begun);
  for await (const { data, at } of piecesOf(bundle)) {
    const operation = script(piece, [transit], data);
    const taken = await execute(`piece-${at}`, operation, limits.repository_piece_ms_max);
    if (taken.exit_code !== 0) return problemOf(taken);
    onProgress(
      `${Math.floor(((at + data.length) / bytes) * 100)}% of ${Math.ceil(bytes / 2 ** 20)} MiB brought`,
    );
  }
  const placed = await execute(
    "place",
    script(place, [transit, mount_path, url, ref, commit, branch ?? ""]),
    limits.repository_checkout_ms_max,
  );
  return placed.exit_code === 0 ? null : problemOf(placed);
}

function problemOf(result: Finished): string {
  if (result.cancelled) return "it was interrupted";
  if (result.timed_out) return "it took too long";
  const said = stderr(result).trim();
  return said.slice(-limits.setup_failure_chars_max) || `exit code ${result.exit_code}`;
}

async function* piecesOf(path: string): AsyncGenerator<{ data: Buffer; at: number }> {
  const file: FileHandle = await open(path);
  try {
    for (let at = 0; ; ) {
      const piece = Buffer.allocUnsafe(limits.repository_piece_bytes);
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return;
      yield { data: piece.subarray(0, bytesRead), at };
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
