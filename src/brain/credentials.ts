import { DatabaseUnavailable } from "../db/errors.ts";
import type { SandboxSpec } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { ToolResult } from "../tools/tool.ts";
import { createRedactor, type Hidden, type Redactor } from "../vault/redact.ts";

/** Where the credentials of sessions come from that have some. */
export interface CredentialSource {
  /** What the session's sandbox gets instead of them. */
  forSandbox(workspaceId: string, sessionId: string): Promise<SandboxSpec["credentials"]>;
  /** What no result of a tool may show, as it is now. */
  hidden(sessionId: string): Promise<Hidden[]>;
}

/** Those of one session, for as long as it is driven. Asks for nothing before it is needed. */
export interface DrivenCredentials {
  /** The same each time. */
  forSandbox(): Promise<SandboxSpec["credentials"]>;
  /** Takes out what has been a secret of the session since it is driven. */
  redactor(): Promise<Redactor>;
}

/** They cannot be had, and asking again at once would not help. The message is for the model. */
export class CredentialsUnusable extends Error {
  override readonly name = "CredentialsUnusable";
}

export function drivenCredentials(
  source: CredentialSource,
  workspaceId: string,
  sessionId: string,
  trouble: (message: string, error: unknown) => void,
): DrivenCredentials {
  let forSandbox: Promise<SandboxSpec["credentials"]> | null = null;
  const known = new Map<string, Hidden>();
  let redactor: Promise<Redactor> | null = null;
  let asked_at = 0;

  async function usable<T>(asking: Promise<T>): Promise<T> {
    try {
      return await asking;
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error;
      trouble("the credentials of a session cannot be opened", error);
      throw new CredentialsUnusable(
        "the session's credentials cannot be opened by this server, whose master key is another one; its administrator has to see to that",
      );
    }
  }

  /** The one before hides as much, where nothing is new: it takes a while to make one. */
  async function renewed(before: Promise<Redactor> | null): Promise<Redactor> {
    const hidden = await usable(source.hidden(sessionId));
    const isSame = hidden.every(
      ({ secret, placeholder }) => known.has(secret) && known.get(secret)?.placeholder === placeholder,
    );
    for (const each of hidden) {
      // Those that are used are the last ones to be forgotten.
      known.delete(each.secret);
      known.set(each.secret, each);
    }
    if (before && isSame) return before;
    let bytes = [...known.keys()].reduce((sum, secret) => sum + Buffer.byteLength(secret), 0);
    for (const oldest of known.keys()) {
      if (bytes <= 2 * limits.session_secrets_bytes_max) break;
      known.delete(oldest);
      bytes -= Buffer.byteLength(oldest);
    }
    return createRedactor([...known.values()]);
  }

  return {
    forSandbox() {
      forSandbox ??= usable(source.forSandbox(workspaceId, sessionId)).catch((error: unknown) => {
        forSandbox = null;
        throw error;
      });
      return forSandbox;
    },
    redactor() {
      const now = performance.now();
      if (redactor && now - asked_at < limits.credentials_believed_ms) return redactor;
      asked_at = now;
      redactor = renewed(redactor).catch((error: unknown) => {
        redactor = null;
        throw error;
      });
      return redactor;
    },
  };
}

/** Without what is a secret. Pictures and documents are left as they are. */
export function redacted(result: ToolResult, redactor: Redactor): ToolResult {
  const { content, ...about } = result;
  return {
    ...redactor.within(about),
    content: content.map((block) =>
      block.type === "text" ? { ...block, text: redactor.text(block.text) } : block,
    ),
  };
}
