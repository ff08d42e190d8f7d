import { type Context, Hono } from "hono";
import { ApiError, notFound } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import type { Principal } from "../protocol/principal.ts";
import { type Authenticate, principalOf, type SignedIn, tokensInsteadOfKey } from "./auth.ts";
import { readJson } from "./body.ts";
import { addressOf, type SignInAttempts } from "./console/attempts.ts";
import { type ConsoleFiles, consoleFile } from "./console/files.ts";
import { endWithSignIn } from "./console/streams.ts";
import { errorResponse, type Log } from "./errors.ts";
import { idempotencyKeyOf } from "./idempotency.ts";
import { jsonHeaders } from "./json.ts";
import { openApiDocument } from "./openapi.ts";
import { requireReach } from "./reach.ts";
import type { AppEnv, Route } from "./route.ts";
import { checkApiVersion, checkBeta } from "./versions.ts";
import type { Works } from "./work.ts";

export interface AppParts {
  routes: Route[];
  authenticate: Authenticate;
  /** The web console: who has signed in, whose sign-ins fail, and its files. None: there is none. */
  console?: {
    principalOf: SignedIn["principalOf"];
    isStillSignedIn(tokens: readonly string[]): Promise<boolean>;
    attempts: SignInAttempts;
    files: ConsoleFiles;
  };
  works: Works;
  /** Rejects while the server cannot do its work. */
  check(): Promise<void>;
  log: Log;
  /** Of the server, for its OpenAPI document. */
  version: string;
}

/** What every answer to one request carries, errors included; grows as more is known about the request. */
type AnswerHeaders = { "request-id": string; "anthropic-workspace-id"?: string };

type Answer = (context: Context<AppEnv>, headers: AnswerHeaders) => Promise<Response>;

/** The whole HTTP side: every answer carries a request id, every error the envelope. */
export function createApp(parts: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  const answering = (answer: Answer) => async (context: Context<AppEnv>) => {
    const headers: AnswerHeaders = { "request-id": newId("request") };
    try {
      return await answer(context, headers);
    } catch (error) {
      const { method, path } = context.req;
      const repeatable = method !== "POST" || context.req.raw.headers.has("idempotency-key");
      return errorResponse(error, { method, path, repeatable, headers }, parts.log);
    }
  };

  // Few ever ask for it, and it takes a tenth of a second to make.
  let documented: ReturnType<typeof openApiDocument> | null = null;
  app.get(
    "/healthz",
    answering((_, headers) => health(parts, headers)),
  );
  app.get(
    "/openapi.json",
    answering(async (_, headers) => {
      documented ??= openApiDocument(parts.routes, parts.version);
      return json(documented, 200, headers);
    }),
  );
  for (const route of parts.routes) {
    app.on(
      route.method,
      honoPath(route.path),
      answering((context, headers) => serve(parts, route, context, headers)),
    );
  }
  for (const [path, methods] of methodsByPath(parts.routes)) {
    app.all(
      path,
      answering((context) => otherMethod(context.req.method, methods)),
    );
  }
  const { files } = parts.console ?? {};
  if (files !== undefined) {
    const toConsole = (request: Request) => request.headers.get("accept")?.includes("text/html") === true;
    app.get(
      "/",
      answering(async ({ req }) => {
        if (!toConsole(req.raw)) throw notFound("there is no GET /");
        return new Response(null, { status: 302, headers: { location: "/console/" } });
      }),
    );
    app.get("/console", () => new Response(null, { status: 302, headers: { location: "/console/" } }));
    app.get(
      "/console/*",
      answering(({ req }) => consoleFile(files, req.raw)),
    );
  }
  app.notFound(
    answering(async ({ req }) => {
      throw notFound(`there is no ${req.method} ${req.path.slice(0, 200)}`);
    }),
  );
  return app;
}

const honoPath = (path: string) => path.replaceAll(/\{(\w+)\}/g, ":$1");

const json = (value: unknown, status: number, headers: AnswerHeaders) =>
  new Response(JSON.stringify(value), {
    status,
    headers: { ...jsonHeaders, ...headers },
  });

async function serve(
  parts: AppParts,
  route: Route,
  context: Context<AppEnv>,
  answerHeaders: AnswerHeaders,
): Promise<Response> {
  const { headers } = context.req.raw;
  const principal = await whoAsks(parts, route, context);
  answerHeaders["anthropic-workspace-id"] = principal.workspaceId;
  checkApiVersion(headers);
  if (route.beta !== null) checkBeta(headers, route.beta);
  await requireReach(parts.works.plain.db, principal, route, context.req.param());
  if (context.req.method === "HEAD" && route.answer.event_stream !== undefined) {
    throw methodNotAllowed("HEAD", [route.method]);
  }
  const tokens = tokensInsteadOfKey(headers);
  if (parts.console && tokens.length > 0 && route.answer.event_stream !== undefined) {
    const { isStillSignedIn } = parts.console;
    endWithSignIn(context.env.outgoing, () => isStillSignedIn(tokens));
  }
  const caller = {
    principal,
    requestId: answerHeaders["request-id"],
    headers: { ...answerHeaders },
    context,
  };
  return route.serve(caller, {
    readBody: () => readJson(context.req.raw),
    works: parts.works,
    key: idempotencyKeyOf(route, headers),
  });
}

async function whoAsks(parts: AppParts, route: Route, { req, env }: Context<AppEnv>): Promise<Principal> {
  const { headers } = req.raw;
  const { console } = parts;
  if (!console) return principalOf(headers, parts.authenticate);
  if (!route.signs_in) {
    return principalOf(headers, parts.authenticate, { method: req.method, principalOf: console.principalOf });
  }
  const address = addressOf(env.incoming?.socket.remoteAddress);
  console.attempts.mayTry(address);
  try {
    return await principalOf(headers, parts.authenticate);
  } catch (error) {
    if (error instanceof ApiError && error.type === "authentication_error") console.attempts.failed(address);
    throw error;
  }
}

async function health(parts: AppParts, headers: AnswerHeaders): Promise<Response> {
  try {
    await parts.check();
  } catch (error) {
    parts.log.warn({ err: error }, "health check failed");
    return json({ status: "unavailable" }, 503, headers);
  }
  return json({ status: "ok" }, 200, headers);
}

function methodsByPath(routes: Route[]): Map<string, string[]> {
  const methods = new Map<string, string[]>([
    ["/healthz", ["GET"]],
    ["/openapi.json", ["GET"]],
  ]);
  for (const route of routes) {
    const path = honoPath(route.path);
    methods.set(path, [...(methods.get(path) ?? []), route.method]);
  }
  return methods;
}

const methodNotAllowed = (method: string, allowed: string[]) =>
  new ApiError("invalid_request_error", `${method} is not allowed here; use ${allowed.join(" or ")}`, {
    status: 405,
    headers: { allow: allowed.join(", ") },
  });

async function otherMethod(method: string, allowed: string[]): Promise<Response> {
  if (method !== "OPTIONS") throw methodNotAllowed(method, allowed);
  return new Response(null, { status: 204, headers: { allow: allowed.join(", ") } });
}
