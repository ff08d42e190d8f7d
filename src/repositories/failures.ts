import type { RepositoryErrorType } from "../protocol/events.ts";

/** Why a session goes on without a repository. */
export interface RepositoryFailure {
  type: RepositoryErrorType;
  message: string;
}

/** What git makes of a server's answer, as far as it says more than that something went wrong. */
export function refusalOf(said: string, { token }: { token: string | null }): RepositoryFailure {
  if (/terminal prompts disabled|Authentication failed|error: 401/.test(said))
    return {
      type: "repository_authentication_error",
      message:
        token === null
          ? "The repository's server asks who wants it: it is private, or does not exist. Set its authorization_token."
          : "The repository's server does not take the authorization_token. Update the resource with another one.",
    };
  if (/error: 403/.test(said))
    return {
      type: "repository_forbidden_error",
      message: "The repository's server refuses access to it.",
    };
  if (/error: (404|410)|repository '.*' not found/.test(said))
    return {
      type: "repository_not_found_error",
      message: `The repository's server has none by this name${token === null ? ", or none that is public" : " that this authorization_token may see"}.`,
    };
  return { type: "repository_clone_error", message: cloneMessage(said) };
}

function cloneMessage(said: string): string {
  if (/error: 30\d/.test(said))
    return "The repository's server leads elsewhere: it may have been renamed. Use its new URL.";
  if (/dumb http transport/.test(said))
    return "The repository's server has no git that answers: it shows the files of the repository alone.";
  if (/signal 25|File too large|File size limit/.test(said))
    return "The repository is larger than this server allows.";
  if (/out of memory|cannot allocate memory|mmap failed/i.test(said))
    return "The repository holds something that takes more memory than this server allows.";
  if (/No space left on device/.test(said)) return "The server has no room for the repository.";
  return `The repository could not be fetched: ${lastOf(said) || "git was ended"}`;
}

/** Git says the reason before what follows from it. */
const lastOf = (said: string): string =>
  said
    .split("\n")
    .filter((line) => /^(fatal|error):/.test(line))
    .slice(0, 3)
    .join(" ")
    .slice(0, 500);
