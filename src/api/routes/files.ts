import { type Blobs, ContentTooLarge } from "../../files/blobs.ts";
import { limits } from "../../limits.ts";
import { ApiError, invalid } from "../../protocol/errors.ts";
import { deletedFile, fileMetadata, filesPage, listFilesQuery, uploadFields } from "../../protocol/files.ts";
import { idOf } from "../../protocol/ids.ts";
import { createFile, requireRoom } from "../../resources/files/create.ts";
import { namingOf } from "../../resources/files/naming.ts";
import { getDownload, getFile, listFiles } from "../../resources/files/read.ts";
import { deleteFile } from "../../resources/files/remove.ts";
import type { FileRules } from "../../resources/files/row.ts";
import { downloadRoute, type Route, route, uploadRoute } from "../route.ts";
import { managedAgentsBeta, namesBeta } from "../versions.ts";

export interface FileParts {
  blobs: Blobs;
  rules: FileRules;
  /** Told why a download broke off, when it was not the client's doing. */
  trouble(message: string, error: unknown): void;
}

const params = { file_id: idOf("file") };
/** Older clients name the beta that files were; it means nothing any more. */
const common = { beta: null } as const;

export function fileRoutes({ blobs, rules, trouble }: FileParts): Route[] {
  let uploads = 0;

  return [
    uploadRoute({
      ...common,
      method: "POST",
      path: "/v1/files",
      summary: "Upload a file",
      form: {
        files: ["file"],
        bytes_max: limits.file_bytes_max,
        parts_max: limits.upload_parts_max,
        fields: uploadFields,
      },
      response: fileMetadata,
      async take({ db, principal, context }, { content, ...said }) {
        if (uploads >= limits.uploads_parallel_max) throw busy();
        uploads += 1;
        try {
          const naming = namingOf(said);
          await requireRoom(
            db,
            principal.workspaceId,
            leastBytes(context.req.header("content-length")),
            rules,
          );
          return { naming, ...(await blobs.receive(content, limits.file_bytes_max)) };
        } catch (error) {
          throw error instanceof ContentTooLarge ? tooLarge(error) : error;
        } finally {
          uploads -= 1;
        }
      },
      async handle({ db, principal }, { fields, taken }) {
        const [file, another] = taken;
        if (!file) throw invalid("file: is required");
        if (another) throw invalid("file: must be one file; upload each by itself");
        await requireRoom(db, principal.workspaceId, file.bytes, rules);
        const about = { ...file.naming, ...fields, downloadable: false, counted: true };
        return createFile(db, principal.workspaceId, { ...about, content: await file.keep() }, rules);
      },
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/files",
      summary: "List files, newest first",
      query: listFilesQuery,
      response: filesPage,
      async handle({ db, principal, query, context }) {
        if (query.scope_id !== undefined) checkScopeBeta(context.req.raw.headers);
        return listFiles(db, principal.workspaceId, query, rules);
      },
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/files/{file_id}",
      summary: "Get what is known of a file",
      params,
      response: fileMetadata,
      handle: ({ db, principal, params }) => getFile(db, principal.workspaceId, params.file_id, rules),
    }),
    downloadRoute({
      ...common,
      method: "GET",
      path: "/v1/files/{file_id}/content",
      summary: "Download a file",
      params,
      trouble,
      async handle({ db, principal, params }) {
        const { file, sha256 } = await getDownload(db, principal.workspaceId, params.file_id, rules);
        return { download: { ...file, sha256 }, open: (range) => blobs.open(sha256, range) };
      },
    }),
    route({
      ...common,
      method: "DELETE",
      path: "/v1/files/{file_id}",
      summary: "Delete a file",
      params,
      response: deletedFile,
      handle: ({ db, principal, params }) => deleteFile(db, principal.workspaceId, params.file_id),
    }),
  ];
}

/** Of the file, as far as the request says how long it is: of a form the rest is little. */
const leastBytes = (contentLength: string | undefined) =>
  Math.max(0, Number(contentLength ?? 0) - limits.upload_form_bytes_max);

const tooLarge = (cause: Error) =>
  new ApiError("request_too_large", `file: is larger than ${limits.file_bytes_max >> 20} MB`, { cause });

const busy = () =>
  new ApiError("rate_limit_error", "too many uploads at once on this server; try again", {
    headers: { "retry-after": "1" },
  });

/** Clients without it do not know of scopes, and would take what they get for all files. */
function checkScopeBeta(headers: Headers): void {
  if (!namesBeta(headers, managedAgentsBeta))
    throw invalid(`scope_id: needs the header anthropic-beta: ${managedAgentsBeta}`);
}
