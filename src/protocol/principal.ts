/** Who makes a request. Every query below it carries the workspace. */
export interface Principal {
  kind: "api_key";
  /** Names the key without being it: the first characters of its SHA-256. */
  id: string;
  workspaceId: string;
}

/** The workspace that a fresh database starts with. */
export const defaultWorkspaceId = "wrkspc_default";
