import { limits } from "../limits.ts";
import type { AnyDraft, BodyOf } from "../log/entry.ts";
import type { RepositoryErrorType } from "../protocol/events.ts";
import type { Checkout } from "../protocol/session-resources.ts";
import type { FoundSkill } from "../repositories/skills.ts";
import { type Pen, writer } from "./pen.ts";
import { toolUseOf } from "./session.ts";
import { oneLine } from "./skills.ts";
import type { State, Thread } from "./state.ts";

/** A repository that the session was given, as it is when the session is claimed. */
export interface KnownRepository {
  id: string;
  url: string;
  mount_path: string;
  checkout: Checkout | null;
  /** Changes with its token. */
  updated_at: string;
}

/** What the log says of one; nothing before it was tried. */
export type RepositoryState =
  | { status: "placed" }
  /** The workspace was made anew since: it may lack what it had. */
  | { status: "unsure" }
  | {
      status: "failed";
      /** Of the resource as it was then. */
      updated_at: string;
      attempts: number;
      /** Another attempt may end otherwise, with nothing changed. */
      may_pass: boolean;
      seq: number;
    };

/** One that is to be brought. */
export interface DueRepository extends KnownRepository {
  /** It stands in the workspace only if a brain died before it could say so: whoever finds it there tells what it brings. */
  is_untold: boolean;
}

/** How it ended with one of them. */
export type RepositoryOutcome = Pick<KnownRepository, "id" | "url" | "mount_path"> &
  (
    | { status: "placed"; commit: string; branch: string | null; skills: readonly FoundSkill[] }
    /** It stood there already; the skills are those that the log does not tell of. */
    | { status: "there"; skills: readonly FoundSkill[] }
    | { status: "failed"; updated_at: string; type: RepositoryErrorType; message: string }
  );

/**
 * Those that are to be brought before the thread's next call in the sandbox. One that failed is tried again when its token was
 * changed, and, where that may help, with the next turns.
 */
export function dueRepositories(
  known: readonly KnownRepository[],
  { repositories }: Pick<State, "repositories">,
  thread: Pick<Thread, "began_seq">,
): DueRepository[] {
  const isDue = ({ id, updated_at }: KnownRepository) => {
    const state = repositories[id];
    if (state?.status !== "failed") return state?.status !== "placed";
    if (state.updated_at !== updated_at) return true;
    return state.may_pass && state.attempts < limits.repository_attempts_max && state.seq < thread.began_seq;
  };
  return known
    .filter(isDue)
    .map((repository) => ({ ...repository, is_untold: repositories[repository.id]?.status !== "unsure" }));
}

/** The client hears of what failed, the model of it with the next result. */
export function repositoryDrafts(outcome: RepositoryOutcome, thread: Thread, pen: Pen): AnyDraft[] {
  const hidden = writer(thread, pen, "internal");
  const { id: resource_id, url, mount_path } = outcome;
  const about = { reader: 3, resource_id, url, mount_path } as const;
  if (outcome.status !== "failed") {
    const { commit = null, branch = null } = outcome.status === "placed" ? outcome : {};
    const mayRead = toolUseOf(pen.agent, "read").kind === "built_in";
    const skills = mayRead
      ? outcome.skills.map((skill) => ({ ...skill, path: `${mount_path}/${skill.path}` }))
      : [];
    return [hidden("repository_placed", { ...about, commit, branch, skills })];
  }
  const { type, message, updated_at } = outcome;
  const error = { type, message, repository_url: url, retry_status: { type: "retrying" } } as const;
  return [
    writer(thread, pen, "session")("session.error", { error }),
    hidden("repository_failed", { ...about, error_type: type, updated_at }),
  ];
}

type Known = Pick<State, "repositories" | "repository_notes">;

/** One that comes after the model was told of another state of it is told of, and the skills that it brings, once. */
export function withPlaced(
  state: Known,
  { resource_id, url, mount_path, commit, skills }: BodyOf<"repository_placed">,
): Known {
  const before = state.repositories[resource_id];
  const isNews = before?.status === "failed" || (before !== undefined && commit !== null);
  return {
    repositories: { ...state.repositories, [resource_id]: { status: "placed" } },
    repository_notes: [
      ...state.repository_notes,
      ...(isNews ? [`The repository ${url} was cloned to ${mount_path} just before this call.`] : []),
      ...(before?.status !== "unsure" && skills.length > 0
        ? [
            `The repository at ${mount_path} brings skills. When a task fits one, read its SKILL.md before you begin:`,
            ...skills.map(({ name, description, path }) => `- ${name} (${path}): ${oneLine(description)}`),
          ]
        : []),
    ],
  };
}

export function withFailed(
  state: Known,
  { resource_id, url, mount_path, error_type, updated_at }: BodyOf<"repository_failed">,
  seq: number,
): Known {
  const before = state.repositories[resource_id];
  const attempts = before?.status === "failed" && before.updated_at === updated_at ? before.attempts + 1 : 1;
  const may_pass = error_type === "repository_clone_error";
  return {
    repositories: {
      ...state.repositories,
      [resource_id]: { status: "failed", updated_at, attempts, may_pass, seq },
    },
    repository_notes: [
      ...state.repository_notes,
      `The repository ${url} is not at ${mount_path}: ${reasons[error_type]}. The user was told. Go on without it.`,
    ],
  };
}

/** Nothing of what its server said: that may have been written for the model. */
const reasons: Record<RepositoryErrorType, string> = {
  repository_authentication_error: "its server does not accept the token, or wants one",
  repository_forbidden_error: "its server refuses access to it",
  repository_not_found_error: "its server has none by this name",
  repository_clone_error: "it could not be cloned",
  repository_checkout_error: "it does not have the branch or commit that was asked for",
};

/** After the workspace was made anew. */
export const withoutCertainty = (repositories: State["repositories"]): State["repositories"] =>
  Object.fromEntries(
    Object.entries(repositories).map(([id, state]) => [
      id,
      state.status === "placed" ? { status: "unsure" } : state,
    ]),
  );

export const hasPlaced = ({ repositories }: State): boolean =>
  Object.values(repositories).some(({ status }) => status !== "failed");

/** What the model is told of them from the beginning. */
export const repositoriesNotice = (known: readonly KnownRepository[]): string | null =>
  known.length === 0
    ? null
    : [
        "These repositories are cloned before your first command, unless you are told otherwise:",
        ...known.map(({ url, mount_path, checkout }) => `- ${url}${wantedOf(checkout)} at ${mount_path}`),
      ].join("\n");

const wantedOf = (checkout: Checkout | null): string => {
  if (checkout === null) return "";
  return checkout.type === "branch" ? ` (branch ${checkout.name})` : ` (commit ${checkout.sha})`;
};
