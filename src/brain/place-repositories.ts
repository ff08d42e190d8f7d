import { randomBytes } from "node:crypto";
import { DatabaseUnavailable } from "../db/errors.ts";
import { failpoint } from "../failpoints.ts";
import type { Hands } from "../hands/client.ts";
import { limits } from "../limits.ts";
import type { Repositories } from "../repositories/fetch.ts";
import { type Execute, lookAtPlace, placeRepository } from "../tools/place-repository.ts";
import { isForTheBrain, Lost, stepsIn } from "../tools/steps.ts";
import type { DueRepository, KnownRepository, RepositoryOutcome } from "./repositories.ts";

/** Where repositories come from. */
export interface RepositorySource extends Repositories {
  /** That of the resource as it is now; null: it is a public one. Throws where it cannot be opened. */
  tokenOf(workspaceId: string, resourceId: string): Promise<string | null>;
}

export interface Placing {
  workspace_id: string;
  /** The set-up that they are a part of. */
  setup_id: string;
  sandbox: Parameters<typeof stepsIn>[1];
}

/**
 * Brings repositories into the sandbox, one after the other. Whoever does it again after a crash begins anew: what stands at
 * its place stands there whole, and is left as it is. Which skills that has is then asked of its server once more.
 */
export async function placeRepositories(
  due: readonly DueRepository[],
  source: RepositorySource,
  hands: Pick<Hands, "execute">,
  { workspace_id, setup_id, sandbox }: Placing,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<RepositoryOutcome[]> {
  const outcomes: RepositoryOutcome[] = [];
  for (const repository of due) outcomes.push(await bring(repository));
  return outcomes;

  async function bring(repository: DueRepository): Promise<RepositoryOutcome> {
    for (let lost = 0; ; lost += 1) {
      const attempt = randomBytes(6).toString("hex");
      const execute = stepsIn(hands, sandbox, `${setup_id}.${attempt}`, signal);
      const result = await tried(repository, attempt, execute);
      if (result !== "lost") return result;
      if (lost >= limits.tool_replays_max)
        return failed(repository, "its sandbox was lost while it was being cloned");
    }
  }

  async function tried(
    repository: DueRepository,
    attempt: string,
    execute: Execute,
  ): Promise<RepositoryOutcome | "lost"> {
    const { id, url, mount_path, checkout } = repository;
    const about = { id, url, mount_path };
    const say = (line: string) => onProgress(`${url}: ${line}`);
    const there = await standing(repository, execute);
    if (there === "lost" || there?.status === "failed") return there;
    if (there && !repository.is_untold) return there;
    const token = await source.tokenOf(workspace_id, id).catch((error: unknown) => {
      if (error instanceof DatabaseUnavailable) throw error;
      return undefined;
    });
    if (token === undefined) return there ?? unopened(repository);
    return await source
      .fetch({ url, token, checkout }, { signal, onLine: say }, async (fetched) => {
        const { commit, branch, skills } = fetched;
        if (there) return { ...there, skills };
        failpoint("repository_fetched");
        try {
          const problem = await placeRepository(repository, fetched, attempt, execute, say);
          failpoint("repository_placed");
          if (problem === null) return { ...about, status: "placed" as const, commit, branch, skills };
          return (await standing(repository, execute)) ?? failed(repository, problem);
        } catch (error) {
          return inSandbox(error, repository);
        }
      })
      .then((result) =>
        typeof result === "object" && !("status" in result)
          ? (there ?? { ...about, status: "failed", updated_at: repository.updated_at, ...result })
          : result,
      );
  }

  /** How it ends where nothing is to be done, or nothing can be. */
  async function standing(
    repository: KnownRepository,
    execute: Execute,
  ): Promise<Exclude<RepositoryOutcome, { status: "placed" }> | "lost" | null> {
    const { id, url, mount_path } = repository;
    try {
      const found = await lookAtPlace(repository, execute);
      if (found === "nothing") return null;
      if (found === "repository") return { id, url, mount_path, status: "there", skills: [] };
      return failed(
        repository,
        found === "no_git" ? "the sandbox's image has no git" : `there is something else at ${mount_path}`,
      );
    } catch (error) {
      return inSandbox(error, repository);
    }
  }
}

/** What concerns the sandbox alone is tried again, or told; the rest is thrown. */
function inSandbox(error: unknown, repository: KnownRepository): ReturnType<typeof failed> | "lost" {
  if (isForTheBrain(error)) throw error;
  return error instanceof Lost ? "lost" : failed(repository, (error as Error).message);
}

function failed(
  { id, url, mount_path, updated_at }: KnownRepository,
  why: string,
): Extract<RepositoryOutcome, { status: "failed" }> {
  const message = `The repository could not be cloned to ${mount_path}: ${why}`;
  return { id, url, mount_path, status: "failed", updated_at, type: "repository_clone_error", message };
}

const unopened = ({ id, url, mount_path, updated_at }: KnownRepository): RepositoryOutcome => ({
  id,
  url,
  mount_path,
  status: "failed",
  updated_at,
  type: "repository_authentication_error",
  message:
    "The authorization_token of the repository cannot be opened by this server, whose master key is another one. Update the resource with the token.",
});
