/**
 * Who makes a request. Every query below it carries the workspace. An *environment key* is a worker's: it reaches the work
 * of one self-hosted environment and its sessions. A *work token* is what a worker gets with one work item.
 */
export type Principal = (
  | { kind: "api_key" }
  | { kind: "environment_key"; environmentId: string }
  | {
      kind: "work_token";
      environmentId: string;
      sessionId: string;
      workId: string;
      workerId: string | null;
      tokenHash: string;
    }
) & {
  /** Names the credential without being it. */
  id: string;
  workspaceId: string;
};

export type PrincipalKind = Principal["kind"];

/** The workspace that a fresh database starts with. */
export const defaultWorkspaceId = "wrkspc_default";
