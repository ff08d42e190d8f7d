import { builtInSandboxes } from "../config/sandboxes.ts";
import { type TestDatabase, testDatabase } from "../db/testing.ts";
import { createLog } from "../log/group-commit.ts";
import type { ErrorBody } from "../protocol/errors.ts";
import { defaultWorkspaceId } from "../protocol/principal.ts";
import { freshMasterKey, masterKeyOf } from "../vault/master-key.ts";
import { createSeal } from "../vault/seal.ts";
import { createApp } from "./app.ts";
import { apiKeys } from "./auth.ts";
import type { Route } from "./route.ts";
import { agentRoutes } from "./routes/agents.ts";
import { environmentRoutes } from "./routes/environments.ts";
import { createWorks } from "./work.ts";

export const testKey = "test-key";
export const betaHeader = { "anthropic-beta": "managed-agents-2026-04-01" };

export interface Answer<Body> {
  status: number;
  body: Body;
  headers: Headers;
}

export interface Logged {
  level: string;
  fields: { err?: Error; request_id?: string };
  message: string;
}

export interface TestApi {
  db: TestDatabase;
  app: ReturnType<typeof createApp>;
  logged: Logged[];
  /** `Body` is what the test expects to be answered. */
  call<Body = ErrorBody>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<Body>>;
  close(): Promise<void>;
}

/** The application on a database of its own. */
export async function testApi(moreRoutes: Route[] = []): Promise<TestApi> {
  const db = await testDatabase();
  const logged: Logged[] = [];
  const seal = createSeal(masterKeyOf(freshMasterKey()));
  const logEvents = { from: () => 0, onCommitted() {} };
  const app = createApp({
    routes: [...agentRoutes, ...environmentRoutes(builtInSandboxes.maximum), ...moreRoutes],
    authenticate: apiKeys([
      { key: testKey, workspaceId: defaultWorkspaceId },
      { key: "other-key", workspaceId: "wrkspc_other" },
    ]),
    works: createWorks(db, createLog({ db, ...logEvents }), logEvents, seal),
    check: async () => {
      await db.query({ name: "check", text: "select 1" }, []);
    },
    log: {
      warn: (fields, message) => logged.push({ level: "warn", fields, message }),
      error: (fields, message) => logged.push({ level: "error", fields, message }),
    },
    version: "0.0.0",
  });
  return {
    db,
    app,
    logged,
    async call(method, path, body, headers = {}) {
      const answer = await app.request(path, {
        method,
        headers: { "x-api-key": testKey, "content-type": "application/json", ...betaHeader, ...headers },
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      const text = await answer.text();
      return { status: answer.status, body: text && JSON.parse(text), headers: answer.headers };
    },
    close: () => db.close(),
  };
}
