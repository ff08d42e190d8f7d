import { Group } from "../../config/parts.tsx";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass, TextField } from "../../ui/field.tsx";

/** A repository that a session is given. */
export interface Repository {
  url: string;
  /** Of a branch, or the SHA of a commit; empty: the default branch. */
  checkout: string;
  /** By which the server fetches it; empty for a public one. */
  token: string;
}

const noRepository: Repository = { url: "", checkout: "", token: "" };

/** As the server takes it; null of one that was left empty. */
export function resourceOf({ url, checkout, token }: Repository): object | null {
  const name = checkout.trim();
  if (url.trim() === "") return null;
  return {
    type: "github_repository",
    url: url.trim(),
    ...(name !== "" && {
      checkout: /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name)
        ? { type: "commit", sha: name }
        : { type: "branch", name },
    }),
    ...(token.trim() !== "" && { authorization_token: token.trim() }),
  };
}

/** What is cloned into the sandbox. A token goes to the server alone, and is not kept here. */
export function RepositoriesPart({
  repositories,
  onChange,
}: {
  repositories: readonly Repository[];
  onChange: (repositories: readonly Repository[]) => void;
}) {
  return (
    <Group
      label="Repositories"
      hint="Each is cloned into the sandbox."
      addLabel="Add a repository"
      add={() => onChange([...repositories, noRepository])}
    >
      {repositories.map((repository, n) => {
        const change = (changed: Partial<Repository>) =>
          onChange(repositories.map((one) => (one === repository ? { ...one, ...changed } : one)));
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: its address is what is being typed
          <div key={n} className="space-y-2 rounded-md border border-line p-3">
            <TextField
              label={`Address of repository ${n + 1}`}
              value={repository.url}
              onChange={(url) => change({ url })}
            />
            <div className="grid gap-2 sm:grid-cols-2">
              <TextField
                label={`Branch or commit of repository ${n + 1}`}
                value={repository.checkout}
                onChange={(checkout) => change({ checkout })}
              />
              <Field
                label={`Token of repository ${n + 1}`}
                hint="Of a private one. The server fetches with it; the sandbox never sees it."
              >
                {(about) => (
                  <input
                    {...about}
                    type="password"
                    autoComplete="new-password"
                    spellCheck={false}
                    className={`${inputClass} font-mono`}
                    value={repository.token}
                    onChange={(event) => change({ token: event.target.value })}
                  />
                )}
              </Field>
            </div>
            <Button look="quiet" onClick={() => onChange(repositories.filter((one) => one !== repository))}>
              Remove repository {n + 1}
            </Button>
          </div>
        );
      })}
    </Group>
  );
}
