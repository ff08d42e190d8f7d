import type { Readable } from "node:stream";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import { z } from "zod";
import type { ByteRange } from "../files/store.ts";
import { invalid, notFound } from "../protocol/errors.ts";
import type { Principal, PrincipalKind } from "../protocol/principal.ts";
import { csvHeaders, csvText, type Table, wantsCsv } from "./csv.ts";
import { type Download, downloadAnswer, sendDownload } from "./download.ts";
import { type Discardable, type FormBounds, type FormFile, readForm } from "./form.ts";
import { answerOnce, type Unrepeatable } from "./idempotency.ts";
import { jsonHeaders } from "./json.ts";
import { parse } from "./parse.ts";
import { parseQuery } from "./query.ts";
import type { Work, Works } from "./work.ts";

/** A route is described once; the application serves it and the OpenAPI document shows it from the same words. */

export type AppEnv = { Bindings: HttpBindings };

/** What every route gets to know about a request beside its input. */
export interface Caller {
  principal: Principal;
  requestId: string;
  /** Headers that every answer carries; a stream that writes its own head sends them too. */
  headers: Record<string, string>;
  context: Context<AppEnv>;
}

/** What it takes to answer a request. */
export interface Means {
  readBody(): Promise<unknown>;
  works: Works;
  /** The request's `Idempotency-Key`. */
  key: string | null;
}

export interface Call<Params, Query, Body> extends Caller, Work {
  params: Params;
  query: Query;
  body: Body;
}

/** Schemas of the path parameters, by name. An id that does not match is an id that does not exist. */
type ParamSchemas = Record<string, z.ZodType<string>>;

interface Inputs<Params extends ParamSchemas, Query extends z.ZodType, Body extends z.ZodType> {
  method: "GET" | "POST" | "DELETE";
  /** As in OpenAPI: `/v1/agents/{agent_id}`. */
  path: string;
  /** The value that `anthropic-beta` must hold. */
  beta: string | null;
  /** Whose requests it takes; an API key's alone, unless it says so. */
  by?: readonly PrincipalKind[];
  summary: string;
  params?: Params;
  query?: Query;
  body?: Body;
  /** Instead of a body: files, and fields beside them. */
  form?: FormShape;
  /** It signs a browser in: a cookie is not enough, and who fails too often has to wait. */
  signs_in?: true;
  /** Its body can hold a secret. */
  takes_secret?: true;
  /** Why it takes no `Idempotency-Key`, if it takes none. */
  unrepeatable?: Unrepeatable;
}

export interface FormShape extends FormBounds {
  fields: z.ZodObject;
}

type CallOf<Params extends ParamSchemas, Query extends z.ZodType, Body extends z.ZodType> = Call<
  { [Name in keyof Params]: string },
  z.infer<Query>,
  z.infer<Body>
>;

export interface Route extends Inputs<ParamSchemas, z.ZodType, z.ZodType> {
  /**
   * What a 200 carries: one JSON value, the same as a table where that is asked for, a stream of server-sent events, the one or
   * the other as the body says, or bytes.
   */
  answer: { json?: z.ZodType; csv?: true; event_stream?: z.ZodType; bytes?: true };
  serve(caller: Caller, means: Means): Promise<Response>;
}

/** A route that answers with one JSON value. */
export function route<
  Response extends z.ZodType,
  Params extends ParamSchemas = Record<never, never>,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
>(
  definition: Inputs<Params, Query, Body> & {
    response: Response;
    /** Of a GET: the answer as a table, where `format=csv` or the header `accept` asks for one. */
    csv?(answer: z.infer<Response>): Table;
    handle(call: CallOf<Params, Query, Body>): Promise<z.infer<Response>>;
  },
): Route {
  const { response, handle, csv, ...inputs } = definition;
  return {
    ...inputs,
    answer: { json: response, ...(csv && { csv: true as const }) },
    async serve(caller, { readBody, works, key }) {
      const { call, sent } = await callOf(inputs, caller, readBody);
      if (csv && wantsCsv(caller.context.req.raw.headers, call.query)) {
        const table = csv(await handle({ ...call, ...works.plain }));
        return new Response(csvText(table), { headers: { ...csvHeaders(table), ...caller.headers } });
      }
      const answer = async (work: Work) => JSON.stringify(await handle({ ...call, ...work }));
      if (key === null) return json(await answer(works.plain), caller.headers);
      const asked = {
        principal: caller.principal,
        key,
        route: `${inputs.method} ${pathOf(inputs.path, call.params)}`,
        content: JSON.stringify(sent),
        seal: inputs.takes_secret ? works.seal : null,
      };
      const { text, replayed } = await answerOnce(works, asked, answer);
      return json(text, replayed ? { ...caller.headers, "idempotent-replayed": "true" } : caller.headers);
    },
  };
}

/** A route that answers with a stream of events, which it may write to the raw response itself. */
export function streamRoute<
  Event extends z.ZodType,
  Params extends ParamSchemas = Record<never, never>,
  Query extends z.ZodType = z.ZodUndefined,
>(
  definition: Inputs<Params, Query, z.ZodUndefined> & {
    event: Event;
    handle(call: CallOf<Params, Query, z.ZodUndefined>): Promise<Response>;
  },
): Route {
  const { event, handle, ...inputs } = definition;
  return {
    ...inputs,
    unrepeatable: "it answers with a stream",
    answer: { event_stream: event },
    async serve(caller, { readBody, works }) {
      const { call } = await callOf(inputs, caller, readBody);
      return handle({ ...call, ...works.plain });
    },
  };
}

/** A route that hands on an answer made elsewhere, whole or as a stream. */
export function relayRoute<Body extends z.ZodType>(
  definition: Inputs<Record<never, never>, z.ZodUndefined, Body> & {
    answer: { json: z.ZodType; event_stream?: z.ZodType };
    handle(call: CallOf<Record<never, never>, z.ZodUndefined, Body>): Promise<Response>;
  },
): Route {
  const { handle, ...inputs } = definition;
  return {
    ...inputs,
    unrepeatable: "its answer may be a stream",
    async serve(caller, { readBody, works }) {
      const { call } = await callOf(inputs, caller, readBody);
      const { body, headers } = await handle({ ...call, ...works.plain });
      return new Response(body, { headers: { ...Object.fromEntries(headers), ...caller.headers } });
    },
  };
}

/**
 * A route that takes a form with files, each as it arrives, and answers with one JSON value. What was taken is discarded when
 * the request is refused.
 */
export function uploadRoute<
  Response extends z.ZodType,
  Taken extends Discardable,
  Fields extends z.ZodObject,
  Params extends ParamSchemas = Record<never, never>,
>(
  definition: Inputs<Params, z.ZodUndefined, z.ZodUndefined> & {
    form: FormShape & { fields: Fields };
    response: Response;
    take(call: CallOf<Params, z.ZodUndefined, z.ZodUndefined>, file: FormFile): Promise<Taken>;
    handle(
      call: CallOf<Params, z.ZodUndefined, z.ZodUndefined>,
      form: { fields: z.infer<Fields>; taken: Taken[] },
    ): Promise<z.infer<Response>>;
  },
): Route {
  const { response, take, handle, ...inputs } = definition;
  return {
    ...inputs,
    unrepeatable: "it takes an upload",
    answer: { json: response },
    async serve(caller, { readBody, works }) {
      const { call } = await callOf(inputs, caller, readBody);
      const working = { ...call, ...works.plain };
      const { incoming } = caller.context.env;
      const { fields, taken } = await readForm(incoming, inputs.form, (file) => take(working, file));
      try {
        const form = { fields: parse(inputs.form.fields, fields, "body"), taken };
        return json(JSON.stringify(await handle(working, form)), caller.headers);
      } catch (error) {
        for (const one of taken) await one.discard();
        throw error;
      }
    },
  };
}

/** A route that answers with the bytes of a file. */
export function downloadRoute<Params extends ParamSchemas>(
  definition: Inputs<Params, z.ZodUndefined, z.ZodUndefined> & {
    /** Told why a download broke off, when it was not the client's doing. */
    trouble(message: string, error: unknown): void;
    handle(
      call: CallOf<Params, z.ZodUndefined, z.ZodUndefined>,
    ): Promise<{ download: Download; open(range?: ByteRange): Promise<Readable> }>;
  },
): Route {
  const { handle, trouble, ...inputs } = definition;
  return {
    ...inputs,
    answer: { bytes: true },
    async serve(caller, { readBody, works }) {
      const { call } = await callOf(inputs, caller, readBody);
      const { download, open } = await handle({ ...call, ...works.plain });
      const { req, env } = caller.context;
      const answer = downloadAnswer(download, req.raw.headers);
      const headers = { ...answer.headers, ...caller.headers };
      if (req.method === "HEAD") return new Response(null, { status: answer.status, headers });
      const content = await open(answer.range);
      sendDownload(env.outgoing, { ...answer, headers }, content).catch((error) =>
        trouble("a download broke off", error),
      );
      return RESPONSE_ALREADY_SENT;
    },
  };
}

const json = (text: string, headers: Record<string, string>) =>
  new Response(text, { headers: { ...jsonHeaders, ...headers } });

/** The path with its parameters filled in: the same however the client has escaped it. */
const pathOf = (path: string, params: Record<string, string>) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "");

const noParameters = z.strictObject({});

/** `beta` is what the official SDK adds to every path; nothing depends on it. */
function queryOf(url: string): Record<string, unknown> {
  const { beta: _, ...query } = parseQuery(new URL(url).searchParams);
  return query;
}

/** Whether the body may not be left out: one whose fields are all optional has a default. */
export const needsBody = (body: z.ZodType): boolean => !body.safeParse(undefined).success;

/** A call that has not been given anything to work with. */
type Waiting<Call> = Omit<Call, keyof Work>;

/** `sent` is what makes the request another one: as it was sent, so that it means the same to the next release. */
async function callOf<Params extends ParamSchemas, Query extends z.ZodType, Body extends z.ZodType>(
  inputs: Inputs<Params, Query, Body>,
  caller: Caller,
  readBody: () => Promise<unknown>,
): Promise<{ call: Waiting<CallOf<Params, Query, Body>>; sent: unknown[] }> {
  const { req } = caller.context;
  for (const [name, schema] of Object.entries(inputs.params ?? {})) {
    const value = req.param(name) ?? "";
    if (!schema.safeParse(value).success) {
      throw notFound(`${name.replace(/_id$/, "")} ${value.slice(0, 100)} not found`);
    }
  }
  const sentQuery = queryOf(req.url);
  const query = parse(inputs.query ?? noParameters, sentQuery, "query");
  const sentBody = inputs.body && (await readBody());
  if (inputs.body && sentBody === undefined && needsBody(inputs.body))
    throw invalid("body: is empty; it must be a JSON object");
  const body = inputs.body && parse(inputs.body, sentBody, "body");
  const call = { ...caller, params: req.param(), query, body };
  return { call: call as Waiting<CallOf<Params, Query, Body>>, sent: [sentQuery, sentBody] };
}
