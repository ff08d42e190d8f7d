import type { Readable } from "node:stream";
import type { Database } from "../../db/database.ts";
import type { Blobs } from "../../files/blobs.ts";
import { limits } from "../../limits.ts";
import { idOf } from "../../protocol/ids.ts";
import type { Principal } from "../../protocol/principal.ts";
import {
  createSkillFields,
  createSkillVersionFields,
  deletedSkill,
  deletedSkillVersion,
  listSkillsQuery,
  listSkillVersionsQuery,
  skill,
  skillsPage,
  skillVersion,
  skillVersionsPage,
  versionName,
} from "../../protocol/skills.ts";
import { keepContents } from "../../resources/skills/contents.ts";
import { createSkill, createSkillVersion } from "../../resources/skills/create.ts";
import {
  getPinnedVersion,
  getServedVersion,
  getSkill,
  getVersion,
  listSkills,
  listVersions,
} from "../../resources/skills/read.ts";
import { deleteSkill, deleteVersion } from "../../resources/skills/remove.ts";
import { folderOf } from "../../skills/folder.ts";
import type { FormFile } from "../form.ts";
import { downloadRoute, type Route, route, uploadRoute } from "../route.ts";
import { createUploadRoom, type Held } from "../upload-room.ts";

export interface SkillParts {
  blobs: Blobs;
  /** Told why a download broke off, when it was not the client's doing. */
  trouble(message: string, error: unknown): void;
}

const params = { skill_id: idOf("skill") };
const versionParams = { ...params, version: versionName };
/** Older clients name the beta that skills were; it means nothing any more. */
const common = { beta: null } as const;
/** Workers of self-hosted environments fetch the skills of the sessions they serve. */
const workers = ["api_key", "environment_key", "work_token"] as const;

const form = {
  files: ["files[]"],
  bytes_max: limits.skill_bytes_max,
  parts_max: limits.skill_zip_entries_max,
};

export function skillRoutes({ blobs, trouble }: SkillParts): Route[] {
  const room = createUploadRoom(limits.skill_uploads_bytes_max);
  const take = (file: FormFile) => room.take(file);
  const contentsOf = async (taken: readonly Held[]) => keepContents(blobs, await folderOf(taken));

  return [
    uploadRoute({
      ...common,
      method: "POST",
      path: "/v1/skills",
      summary: "Create a skill",
      form: { ...form, fields: createSkillFields },
      response: skill,
      take: (_, file) => take(file),
      handle: ({ db, principal }, { fields, taken }) =>
        room.using(taken, async () =>
          createSkill(db, principal.workspaceId, await contentsOf(taken), fields.display_name),
        ),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/skills",
      summary: "List skills, newest first",
      query: listSkillsQuery,
      response: skillsPage,
      handle: ({ db, principal, query }) => listSkills(db, principal.workspaceId, query),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/skills/{skill_id}",
      summary: "Get a skill",
      params,
      response: skill,
      handle: ({ db, principal, params }) => getSkill(db, principal.workspaceId, params.skill_id),
    }),
    route({
      ...common,
      method: "DELETE",
      path: "/v1/skills/{skill_id}",
      summary: "Delete a skill with all its versions",
      params,
      response: deletedSkill,
      handle: ({ db, principal, params }) => deleteSkill(db, principal.workspaceId, params.skill_id),
    }),
    uploadRoute({
      ...common,
      method: "POST",
      path: "/v1/skills/{skill_id}/versions",
      summary: "Upload another version of a skill",
      params,
      form: { ...form, fields: createSkillVersionFields },
      response: skillVersion,
      take: (_, file) => take(file),
      handle: ({ db, principal, params }, { taken }) =>
        room.using(taken, async () => {
          await getSkill(db, principal.workspaceId, params.skill_id);
          return createSkillVersion(db, principal.workspaceId, params.skill_id, await contentsOf(taken));
        }),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/skills/{skill_id}/versions",
      summary: "List the versions of a skill, newest first",
      params,
      query: listSkillVersionsQuery,
      response: skillVersionsPage,
      handle: ({ db, principal, params, query }) =>
        listVersions(db, principal.workspaceId, params.skill_id, query),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/skills/{skill_id}/versions/{version}",
      by: workers,
      summary: "Get a version of a skill, or the latest",
      params: versionParams,
      response: skillVersion,
      handle: async ({ db, principal, params }) => (await found(db, principal, params)).version,
    }),
    downloadRoute({
      ...common,
      method: "GET",
      path: "/v1/skills/{skill_id}/versions/{version}/content",
      by: workers,
      summary: "Download a version of a skill as a zip archive",
      params: versionParams,
      trouble,
      async handle({ db, principal, params }) {
        const { version, archive } = await found(db, principal, params);
        const download = {
          filename: `${version.name}.zip`,
          mime_type: "application/zip",
          size_bytes: archive.bytes,
          sha256: archive.sha256,
        };
        return { download, open: (range): Promise<Readable> => blobs.open(archive.sha256, range) };
      },
    }),
    route({
      ...common,
      method: "DELETE",
      path: "/v1/skills/{skill_id}/versions/{version}",
      summary: "Delete a version of a skill",
      params: versionParams,
      response: deletedSkillVersion,
      handle: ({ db, principal, params }) =>
        deleteVersion(db, principal.workspaceId, params.skill_id, params.version),
    }),
  ];
}

/** Workers reach the skills of the sessions they serve: with the secret of a work item in the versions that its session has. */
function found(db: Database, principal: Principal, { skill_id = "", version = "" }: Record<string, string>) {
  switch (principal.kind) {
    case "api_key":
      return getVersion(db, principal.workspaceId, skill_id, version);
    case "environment_key":
      return getServedVersion(db, principal, skill_id, version);
    case "work_token":
      return getPinnedVersion(db, principal.sessionId, skill_id, version);
  }
}
