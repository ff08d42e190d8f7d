import { z } from "zod";

/** Prefix of each kind of id. The rest is `01` and 22 base62 characters. */
export const idPrefix = {
  agent: "agent_",
  environment: "env_",
  session: "sesn_",
  event: "sevt_",
  thread: "sthr_",
  workspace: "wrkspc_",
  request: "req_",
  outcome: "outc_",
  message: "msg_",
  file: "file_",
  resource: "sesrsc_",
  environment_key: "envkey_",
  work: "work_",
  skill: "skill_",
  skill_version: "skillver_",
  vault: "vlt_",
  credential: "vcrd_",
  credential_use: "cruse_",
} as const;

export type IdKind = keyof typeof idPrefix;

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A new random id, 131 bits of it random. By what browsers have too: the console loads this file. */
export function newId(kind: IdKind): string {
  let body = "";
  while (body.length < 22) {
    for (const byte of crypto.getRandomValues(new Uint8Array(32))) {
      // 248 is the largest multiple of 62 below 256: bytes above it would favour the first letters.
      if (byte < 248 && body.length < 22) body += base62[byte % 62];
    }
  }
  return `${idPrefix[kind]}01${body}`;
}

/** Schema of an id in a request: the right prefix and nothing a URL or an SQL log could choke on. */
export function idOf(kind: IdKind) {
  const prefix = idPrefix[kind];
  return z
    .string()
    .regex(new RegExp(`^${prefix}[A-Za-z0-9_-]{1,64}$`), `must be an id that starts with "${prefix}"`);
}
