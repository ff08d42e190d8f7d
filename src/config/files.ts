import { isAbsolute } from "node:path";
import { z } from "zod";

/** The name of the file store in a data directory. */
export const ownFileStore = "file-store";

/** Where the bytes of files lie, and what the server allows. */
export interface FilesSettings {
  store: FileStoreSettings;
  /** Of all files of a workspace, in bytes; null is no bound. */
  quota_bytes: number | null;
  /** Whether clients may download what they have uploaded. */
  uploads_downloadable: boolean;
}

export type FileStoreSettings =
  | { type: "folder"; path: string }
  | {
      type: "s3";
      bucket: string;
      /** Empty, or ending with a slash. */
      prefix: string;
      endpoint: string;
      region: string;
      credentials: { access_key_id: string; secret_access_key: string; session_token: string | null };
    };

const gigabytes = z
  .string()
  .regex(/^\d{1,7}(\.\d{1,3})?$/, "must be a number of GB such as 500")
  .transform(Number);

export const filesVariables = {
  DROVER_FILES: z.string().optional(),
  DROVER_FILES_QUOTA: gigabytes.optional(),
  DROVER_FILES_DOWNLOADABLE: z.enum(["0", "1"], "must be 0 or 1").default("0"),
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  AWS_SESSION_TOKEN: z.string().optional(),
};
type FilesVariables = Partial<z.infer<z.ZodObject<typeof filesVariables>>>;

const bytesPerGigabyte = 2 ** 30;

/** Problems name the setting. */
export function filesSettings(
  env: FilesVariables,
  ownFolder: string,
): { files: FilesSettings; problems: string[] } {
  const problems: string[] = [];
  return {
    files: {
      store: storeSettings(env, ownFolder, problems),
      quota_bytes:
        env.DROVER_FILES_QUOTA === undefined ? null : Math.floor(env.DROVER_FILES_QUOTA * bytesPerGigabyte),
      uploads_downloadable: env.DROVER_FILES_DOWNLOADABLE === "1",
    },
    problems,
  };
}

function storeSettings(env: FilesVariables, ownFolder: string, problems: string[]): FileStoreSettings {
  const text = env.DROVER_FILES ?? ownFolder;
  if (isAbsolute(text)) return { type: "folder", path: text };
  const url = URL.canParse(text) ? new URL(text) : null;
  const bucket = url?.hostname ?? "";
  if (url?.protocol !== "s3:" || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    problems.push(
      "DROVER_FILES: must be an absolute path, or s3://bucket/prefix?endpoint=https://...&region=...",
    );
    return { type: "folder", path: ownFolder };
  }
  const { endpoint, region = "us-east-1", ...unknown } = Object.fromEntries(url.searchParams);
  for (const name of Object.keys(unknown))
    problems.push(`DROVER_FILES: ${name} is not known; only endpoint and region are`);
  if (endpoint !== undefined && !/^https?:\/\/[^/?#@]+\/?$/.test(endpoint))
    problems.push("DROVER_FILES: endpoint must be an http or https URL without a path");
  if (!/^[a-z0-9-]{1,64}$/.test(region)) problems.push("DROVER_FILES: region must be one such as eu-west-1");
  const prefix = url.pathname.replace(/^\/+|\/+$/g, "");
  if (!/^[A-Za-z0-9._/-]*$/.test(prefix))
    problems.push("DROVER_FILES: the prefix may hold letters, digits, dots, dashes, underscores and slashes");
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = env;
  for (const [name, value] of Object.entries({ AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret }))
    if (value === undefined) problems.push(`${name}: is missing; DROVER_FILES names a bucket that needs it`);
  return {
    type: "s3",
    bucket,
    prefix: prefix === "" ? "" : `${prefix}/`,
    endpoint: endpoint ?? `https://s3.${region}.amazonaws.com`,
    region,
    credentials: {
      access_key_id: id ?? "",
      secret_access_key: secret ?? "",
      session_token: env.AWS_SESSION_TOKEN ?? null,
    },
  };
}
