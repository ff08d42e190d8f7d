import { z } from "zod";
import { limits } from "../limits.ts";
import { idOf } from "./ids.ts";
import {
  mountPathOf,
  mountPathProblem,
  pathsCollide,
  uploadsRoot,
  workspacePathOf,
  workspacePathProblem,
} from "./mount-path.ts";
import { pageQuery } from "./page.ts";
import { isBranchName, isCommitSha, repositoryName } from "./repository-url.ts";

/**
 * A *session resource* is something that a session is given to work with: a file, of which its sandbox has a read-only copy,
 * or a repository, which is cloned into it.
 */

const filePath = z.string().superRefine((text, context) => {
  const message = mountPathProblem(text);
  if (message !== null) context.addIssue({ code: "custom", message });
});

export const fileResourceParams = z.strictObject({
  type: z.literal("file"),
  file_id: idOf("file"),
  mount_path: filePath.nullish(),
});
export type FileResourceParams = z.infer<typeof fileResourceParams>;

/** Where the file is to be, in the sandbox. */
export const filePathOf = ({ mount_path, file_id }: FileResourceParams): string =>
  mountPathOf(mount_path ?? `${uploadsRoot}/${file_id}`);

export const checkout = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("branch"),
    name: z.string().refine(isBranchName, "must be the name of a branch, such as main"),
  }),
  z.strictObject({
    type: z.literal("commit"),
    sha: z.string().refine(isCommitSha, "must be the whole SHA of a commit: 40 hexadecimal digits"),
  }),
]);
export type Checkout = z.infer<typeof checkout>;

const authorizationToken = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, "must be 1 to 4096 printable characters without spaces");

export const repositoryResourceParams = z.strictObject({
  type: z.literal("github_repository"),
  url: z.string().min(1).max(2_048),
  authorization_token: authorizationToken.optional(),
  checkout: checkout.nullish(),
  mount_path: z.string().nullish(),
});
export type RepositoryResourceParams = z.infer<typeof repositoryResourceParams>;

/** Where it is cloned to. */
export const repositoryPathOf = ({ mount_path, url }: RepositoryResourceParams): string =>
  workspacePathOf(mount_path ?? repositoryName(url));

const memoryStoreParams = z.strictObject({
  type: z.literal("memory_store"),
  memory_store_id: z.string().max(100),
  access: z.enum(["read_write", "read_only"]).nullish(),
  instructions: z.string().max(4_096).nullish(),
});

/** With what a session is created. */
export const resourcesParams = z
  .array(z.discriminatedUnion("type", [fileResourceParams, repositoryResourceParams, memoryStoreParams]))
  .superRefine((resources, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    const files = resources.flatMap((resource, i) =>
      resource.type === "file" ? [{ i, path: filePathOf(resource) }] : [],
    );
    const repositories = resources.flatMap((resource, i) =>
      resource.type === "github_repository" ? [{ i, path: repositoryPathOf(resource) }] : [],
    );
    if (files.length > limits.file_resources_max)
      return refuse([], `may hold ${limits.file_resources_max} files at most`);
    if (resources.length - files.length > limits.repository_resources_max)
      refuse([], `may hold ${limits.repository_resources_max} repositories at most`);
    for (const { i, path } of repositories) {
      const problem = workspacePathProblem(path);
      if (problem !== null) refuse([i, "mount_path"], problem);
    }
    for (const placed of [files, repositories]) {
      for (const [n, { i, path }] of placed.entries()) {
        const other = placed.slice(0, n).find((before) => pathsCollide(before.path, path));
        if (other)
          refuse([i, "mount_path"], `${path} collides with resources.${other.i}, which is at ${other.path}`);
      }
    }
  });
export type ResourcesParams = z.infer<typeof resourcesParams>;

/** Only files can be added to a session that is there already. */
export const addResourceBody = fileResourceParams;

export const updateResourceBody = z.strictObject({ authorization_token: authorizationToken });
export type UpdateResource = z.infer<typeof updateResourceBody>;

const shown = { id: z.string(), mount_path: z.string(), created_at: z.string(), updated_at: z.string() };

export const fileResource = z.object({ ...shown, type: z.literal("file"), file_id: z.string() });
export type FileResource = z.infer<typeof fileResource>;

export const repositoryResource = z.object({
  ...shown,
  type: z.literal("github_repository"),
  url: z.string(),
  checkout: checkout.nullable(),
});
export type RepositoryResource = z.infer<typeof repositoryResource>;

export const sessionResource = z.discriminatedUnion("type", [fileResource, repositoryResource]);
export type SessionResource = z.infer<typeof sessionResource>;

export const deletedResource = z.object({ id: z.string(), type: z.literal("session_resource_deleted") });

/** All of them, where no limit is given. */
export const listResourcesQuery = pageQuery({
  default: limits.session_resources_page_max,
  max: limits.session_resources_page_max,
});
export type ListResources = z.infer<typeof listResourcesQuery>;
