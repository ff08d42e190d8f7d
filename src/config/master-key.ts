import { isAbsolute, join } from "node:path";
import { z } from "zod";

/** The name of the master key in a data directory. */
export const ownMasterKey = "master-key";

/** Where the key is under which secrets are sealed. The server's own file is made where there is none. */
export type MasterKeySettings =
  | { from: "environment"; text: string }
  | { from: "file"; path: string; own: boolean };

export const masterKeyVariables = {
  DROVER_MASTER_KEY: z.string().optional(),
  DROVER_MASTER_KEY_FILE: z.string().refine(isAbsolute, "must be an absolute path").optional(),
};
type MasterKeyVariables = Partial<z.infer<z.ZodObject<typeof masterKeyVariables>>>;

/** Problems name the setting, and never a value. */
export function masterKeySettings(
  { DROVER_MASTER_KEY: text, DROVER_MASTER_KEY_FILE: path }: MasterKeyVariables,
  dataDir: string,
): { master_key: MasterKeySettings; problems: string[] } {
  const problems =
    text !== undefined && path !== undefined
      ? ["DROVER_MASTER_KEY: must not be set together with DROVER_MASTER_KEY_FILE"]
      : [];
  if (text !== undefined)
    return { master_key: { from: "environment", text: text.replaceAll(/[\s,]+/g, "\n") }, problems };
  const file = path ?? join(dataDir, ownMasterKey);
  return { master_key: { from: "file", path: file, own: path === undefined }, problems };
}
