import { z } from "zod";
import { openNetwork } from "./egress-wire.ts";

/**
 * What `egress` says to `serve`, over a unix socket of its own, and hears back: one JSON object a line, many at a time, told
 * apart by `n`. By this egress, which has neither the master key nor the database, learns the secrets of the sessions whose
 * connections it carries, one session at a time and by need.
 * I1. Whoever asks names the session's pass: a host that was never given one learns nothing of its session, and may not use
 *     what it has.
 * I2. What was answered may be believed for `limits.credentials_believed_ms`: so long a credential that was changed, archived
 *     or deleted is still used as it was.
 */

export const vaultRequest = z.discriminatedUnion("type", [
  z.object({ n: z.int(), type: z.literal("resolve"), session_id: z.string(), pass: z.string() }),
  z.object({
    n: z.int(),
    type: z.literal("used"),
    /** Of this message, whoever is told it and however often: what is in it counts once. */
    tell: z.string().max(40).optional(),
    session_id: z.string(),
    pass: z.string(),
    uses: z.array(
      z.object({
        /** Of a credential or of a repository among the session's resources. */
        id: z.string(),
        host: z.string(),
        /** `sent 200`: the status of the answer; `sent` where none came; else why it was not sent. */
        outcome: z.string().max(200),
        /** How often, since it was told last. */
        count: z.int().positive(),
        /** When it was used last, in ISO 8601. */
        at: z.string(),
      }),
    ),
  }),
]);
export type VaultRequest = z.infer<typeof vaultRequest>;
export type Used = Omit<Extract<VaultRequest, { type: "used" }>, "n" | "type">;
export type Use = Extract<VaultRequest, { type: "used" }>["uses"][number];

/** A secret that stands behind a placeholder. */
export const variableSecret = z.object({
  type: z.literal("environment_variable"),
  id: z.string(),
  placeholder: z.string(),
  secret: z.string(),
  /** As in an environment's `allowed_hosts`; null: all that the environment lets through. */
  hosts: z.array(z.string()).nullable(),
  header: z.boolean(),
  body: z.boolean(),
});

/** What git is given for one repository, whoever asks for it in the sandbox. */
export const repositorySecret = z.object({
  type: z.literal("repository"),
  id: z.string(),
  /** Without a query, and without a closing `.git` or slash. */
  url: z.string(),
  token: z.string(),
});

export const sessionSecrets = z.object({
  /** What the session's environment lets through, where that is known: a sandbox host could say anything of it. */
  network: openNetwork.optional(),
  /** Whose certificates the session's programs trust, in PEM. */
  authority: z.object({ certificate: z.string(), private_key: z.string() }),
  secrets: z.array(z.discriminatedUnion("type", [variableSecret, repositorySecret])),
});
export type SessionSecrets = z.infer<typeof sessionSecrets>;
export type SessionSecret = SessionSecrets["secrets"][number];

export const vaultAnswer = z.discriminatedUnion("type", [
  /** `secrets` is null where the pass is not that of the session, or the session has ended. */
  z.object({ n: z.int(), type: z.literal("resolved"), secrets: sessionSecrets.nullable() }),
  z.object({ n: z.int(), type: z.literal("noted") }),
  /** It could not be found out; another time it may be. */
  z.object({ n: z.int(), type: z.literal("failed") }),
]);
export type VaultAnswer = z.infer<typeof vaultAnswer>;
