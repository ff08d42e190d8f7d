import { join } from "node:path";
import { z } from "zod";

/** A server that repositories may be cloned from: those at `<url>/<owner>/<repository>`. */
export interface RepositoryHost {
  url: string;
  /** Its address need not be a public one. */
  private_network: boolean;
}

const problem =
  "must be an http or https URL without user, password, query and trailing slash, such as https://git.example.com";

const url = z.string(problem).refine(isHostUrl, problem);

export const repositoriesShape = z.strictObject({
  hosts: z
    .array(
      z.union([url, z.strictObject({ url, private_network: z.boolean().optional() })]),
      "must be a list of URLs",
    )
    .optional(),
});

/** Where repositories come from, and where what was fetched of them is kept. */
export interface RepositoriesSettings {
  hosts: RepositoryHost[];
  folder: string;
}

/** The name of that folder in a data directory. */
export const ownRepositories = "repositories";

export const repositoriesSettings = (
  file: z.infer<typeof repositoriesShape>,
  dataDir: string,
): RepositoriesSettings => ({ hosts: repositoryHosts(file), folder: join(dataDir, ownRepositories) });

/** Who names hosts names all of them. */
const repositoryHosts = ({ hosts }: z.infer<typeof repositoriesShape>): RepositoryHost[] =>
  (hosts ?? ["https://github.com"])
    .map((host) => (typeof host === "string" ? { url: host } : host))
    .map(({ url, private_network = false }: { url: string; private_network?: boolean | undefined }) => ({
      url,
      private_network,
    }));

function isHostUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s?#@\\%]+$/.test(text) || !URL.canParse(text)) return false;
  const { origin, pathname } = new URL(text);
  const path = pathname === "/" ? "" : pathname;
  return text === `${origin}${path}` && !path.endsWith("/") && !path.includes("//");
}
