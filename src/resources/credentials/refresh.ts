import { setTimeout as pause } from "node:timers/promises";
import type { Database } from "../../db/database.ts";
import { DatabaseUnavailable } from "../../db/errors.ts";
import { failpoint } from "../../failpoints.ts";
import { limits } from "../../limits.ts";
import type { Guard } from "../../net/guard.ts";
import { credentialAuth } from "../../protocol/credentials.ts";
import { askTokenEndpoint, type RefreshAnswer } from "../../vault/oauth.ts";
import type { Seal } from "../../vault/seal.ts";
import { type CredentialSecret, credentialPlace, credentialSecret, openAs } from "../../vault/secrets.ts";
import { untilFirst } from "../attempts.ts";
import {
  endRefreshTurn,
  failRefresh,
  type RefreshTurn,
  readSecret,
  replaceSecret,
  type SecretAt,
  takeRefreshTurn,
  writeRefreshed,
} from "./refresh-turn.ts";

/** How a refresh ended for one of those who asked for it. */
export type Refreshed =
  /** There is a newer secret, by whomever, or the credential is gone: look again. */
  | { status: "renewed" }
  | { status: "no_refresh_token" }
  | { status: "gone" }
  /** It has just failed, and is not tried again yet. */
  | { status: "resting"; why: string }
  /** Somebody else is at it, for longer than this one waits. */
  | { status: "busy" }
  | Exclude<RefreshAnswer, { status: "succeeded" }>;

export interface RefreshOptions {
  /** Also where it has just failed. */
  anyhow: boolean;
  /** Waits for somebody else who is at it. */
  wait: boolean;
  /** Told of each request to a token endpoint: its host, and how it ended. */
  onAsked?(host: string, outcome: string): void;
}

/**
 * Refreshes OAuth credentials, each by one at a time, in whichever process.
 * I1. Of those who want one version of a secret refreshed, one asks the token endpoint; the others take what it has got.
 * I2. What is written holds only if nobody has changed, archived or deleted the credential since it was read. Of one that was
 *     changed the refresh token alone is replaced, and only if it is still the one that was spent.
 * I3. Nobody who waits holds a connection to the database.
 */
export interface Refreshing {
  refresh(at: SecretAt, options: RefreshOptions): Promise<Refreshed>;
  /** Resolves when no refresh is under way here. */
  settled(): Promise<void>;
}

export interface RefreshParts {
  db: Database;
  seal: Pick<Seal, "open" | "seal">;
  guard: Guard;
  trouble(message: string, error: unknown): void;
}

export function createRefreshing({ db, seal, guard, trouble }: RefreshParts): Refreshing {
  /** Those who want the same in this process share one. */
  const running = new Map<string, Promise<Refreshed>>();

  async function refresh(at: SecretAt, options: RefreshOptions): Promise<Refreshed> {
    const until = performance.now() + limits.oauth_wait_ms;
    for (;;) {
      const answer = await takeRefreshTurn(db, at, options);
      switch (answer.do) {
        case "leave":
          return { status: "gone" };
        case "look":
          return { status: "renewed" };
        case "rest":
          return { status: "resting", why: answer.why };
        case "refresh":
          return refreshInTurn(answer.turn, options);
        case "wait":
          if (!options.wait || performance.now() > until) return { status: "busy" };
          await pause(limits.oauth_poll_ms);
      }
    }
  }

  async function refreshInTurn(turn: RefreshTurn, { onAsked }: RefreshOptions): Promise<Refreshed> {
    try {
      const { workspace_id, credential_id } = turn;
      const place = credentialPlace(workspace_id, credential_id);
      const secret = await openAs(credentialSecret, seal, turn.secret, place);
      const auth = credentialAuth.parse(turn.auth);
      const refresh = auth.type === "mcp_oauth" ? auth.refresh : null;
      if (secret.type !== "mcp_oauth" || secret.refresh_token === null || refresh === null) {
        await endRefreshTurn(db, turn);
        return { status: "no_refresh_token" };
      }
      failpoint("refresh_asked");
      const asked_at = performance.now();
      const answer = await askTokenEndpoint(guard, {
        token_endpoint: refresh.token_endpoint,
        client_id: refresh.client_id,
        client_secret: secret.client_secret,
        method: refresh.token_endpoint_auth.type,
        refresh_token: secret.refresh_token,
        scope: refresh.scope,
        resource: refresh.resource,
        hidden: [secret.access_token],
      });
      failpoint("refresh_answered");
      onAsked?.(new URL(refresh.token_endpoint).host, outcomeOf(answer));
      if (answer.status === "succeeded") {
        await keep(turn, secret, { ...answer, asked_at });
        return { status: "renewed" };
      }
      const { why } = answer;
      const { is_refusal, retry_after_ms } =
        answer.status === "failed" ? answer : { is_refusal: false, retry_after_ms: null };
      await failRefresh(db, turn, { why, is_refusal, retry_after_ms }).catch((error) =>
        trouble(`the failed refresh of ${credential_id} could not be written down`, error),
      );
      return answer;
    } catch (error) {
      await endRefreshTurn(db, turn);
      throw error;
    }
  }

  /**
   * Writes it again and again while the database does not take it: the refresh token that was sent may be good no more, so what
   * is not written is lost, and with it the credential.
   */
  async function keep(
    turn: RefreshTurn,
    secret: OAuthSecret,
    given: Extract<RefreshAnswer, { status: "succeeded" }> & { asked_at: number },
  ): Promise<void> {
    const { workspace_id, credential_id } = turn;
    const { access_token, expires_in_s, asked_at } = given;
    const refresh_token = given.refresh_token ?? secret.refresh_token;
    const fresh: OAuthSecret = { ...secret, access_token, refresh_token };
    const sealed = await seal.seal(JSON.stringify(fresh), credentialPlace(workspace_id, credential_id));
    const until = performance.now() + limits.oauth_write_ms;
    for (let pause_ms: number = limits.oauth_write_pause_ms; ; ) {
      const age_ms = performance.now() - asked_at;
      const expires_in_ms = expires_in_s === null ? null : Math.round(expires_in_s * 1_000 - age_ms);
      try {
        if (await writeRefreshed(db, turn, { secret: sealed, expires_in_ms })) return;
        // Where it does not hold, somebody else's does: everyone looks again.
        await replaceSpent(turn, secret, fresh);
        await endRefreshTurn(db, turn);
        return;
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable) || performance.now() + pause_ms > until) {
          trouble(`the new tokens of ${credential_id} could not be written down, and are lost`, error);
          throw error;
        }
      }
      await pause(pause_ms);
      pause_ms = Math.min(2 * pause_ms, limits.oauth_write_pause_ms_max);
    }
  }

  /** A client that changes something else leaves the refresh token as it was: after a rotation nobody takes that any more. */
  async function replaceSpent(turn: RefreshTurn, spent: OAuthSecret, fresh: OAuthSecret): Promise<void> {
    const { workspace_id, credential_id } = turn;
    const place = credentialPlace(workspace_id, credential_id);
    if (fresh.refresh_token === spent.refresh_token) return;
    await untilFirst(`credential ${credential_id}`, async () => {
      const found = await readSecret(db, turn);
      if (!found) return true;
      const secret = await openAs(credentialSecret, seal, found.secret, place);
      if (secret.type !== "mcp_oauth" || secret.refresh_token !== spent.refresh_token) return true;
      const { refresh_token } = fresh;
      const sealed = await seal.seal(JSON.stringify({ ...secret, refresh_token }), place);
      return (await replaceSecret(db, found.at, sealed)) || undefined;
    });
  }

  return {
    refresh(at, options) {
      const key = [at.credential_id, at.secret_version, options.anyhow, options.wait].join(" ");
      const known = running.get(key);
      if (known) return known;
      const started = refresh(at, options).finally(() => running.delete(key));
      running.set(key, started);
      return started;
    },
    async settled() {
      await Promise.allSettled([...running.values()]);
    },
  };
}

type OAuthSecret = Extract<CredentialSecret, { type: "mcp_oauth" }>;

/** As `credential_use` has it. */
function outcomeOf(answer: RefreshAnswer): string {
  switch (answer.status) {
    case "succeeded":
      return `sent ${answer.http_status}`;
    case "failed":
      return `sent ${answer.http_response.status_code}`;
    case "connect_error":
      return answer.was_refused ? answer.why.slice(0, 200) : "sent";
  }
}
