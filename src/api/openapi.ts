import { z } from "zod";
import { limits } from "../limits.ts";
import { errorBody } from "../protocol/errors.ts";
import { consoleCookie } from "./console/cookie.ts";
import { type FormShape, needsBody, type Route } from "./route.ts";

type Json = Record<string, unknown>;

const jsonSchema = (schema: z.ZodType, io: "input" | "output"): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
};

/** The document of every route, made from the schemas that the routes themselves check with. */
export function openApiDocument(routes: Route[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Drover", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      schemas: { Error: jsonSchema(errorBody, "output") },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
        console: { type: "apiKey", in: "cookie", name: consoleCookie },
      },
    },
    security: [{ bearer: [] }, { apiKey: [] }, { console: [] }],
  };
}

function operation(route: Route): Json {
  return {
    summary: route.summary,
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)],
    ...(route.body && {
      requestBody: {
        required: needsBody(route.body),
        content: { "application/json": { schema: jsonSchema(route.body, "input") } },
      },
    }),
    ...(route.form && {
      requestBody: { required: true, content: { "multipart/form-data": { schema: formSchema(route.form) } } },
    }),
    responses: {
      200: {
        description: "OK",
        content: {
          ...contentOf("application/json", route.answer.json),
          ...(route.answer.csv && { "text/csv": { schema: { type: "string" } } }),
          ...contentOf("text/event-stream", route.answer.event_stream),
          ...(route.answer.bytes && { "application/octet-stream": { schema: bytes } }),
        },
      },
      default: {
        description: "An error",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

const bytes: Json = { type: "string", format: "binary" };
const severalFiles: Json = { type: "array", items: bytes };

function formSchema({ files, fields }: FormShape): Json {
  const schema = jsonSchema(fields, "output");
  const properties = {
    ...Object.fromEntries(files.map((name) => [name, name.endsWith("[]") ? severalFiles : bytes])),
    ...(schema.properties as Json),
  };
  return { ...schema, properties, required: [...files, ...((schema.required as string[]) ?? [])] };
}

const contentOf = (mediaType: string, schema: z.ZodType | undefined): Json =>
  schema ? { [mediaType]: { schema: jsonSchema(schema, "output") } } : {};

const pathParameters = (route: Route): Json[] =>
  Object.entries(route.params ?? {}).map(([name, schema]) => ({
    name,
    in: "path",
    required: true,
    schema: jsonSchema(schema, "input"),
  }));

/** Lists and ranges are written with brackets: `statuses[]=idle`, `created_at[gte]=...`. */
function queryParameters(route: Route): Json[] {
  if (!(route.query instanceof z.ZodObject)) return [];
  return Object.entries(route.query.shape).map(([name, field]) => {
    const schema = jsonSchema(field as z.ZodType, "output");
    const isList = schema.type === "array";
    return {
      name: isList ? `${name}[]` : name,
      in: "query",
      required: !(field as z.ZodType).safeParse(undefined).success,
      schema,
      ...(schema.type === "object" && { style: "deepObject", explode: true }),
      ...(isList && { style: "form", explode: true }),
    };
  });
}

const headerParameters = (route: Route): Json[] => [
  ...(route.beta === null
    ? []
    : [
        {
          name: "anthropic-beta",
          in: "header",
          required: true,
          schema: { type: "string", example: route.beta },
        },
      ]),
  ...(route.method === "POST" && !route.unrepeatable ? [idempotencyKey] : []),
];

const idempotencyKey: Json = {
  name: "idempotency-key",
  in: "header",
  required: false,
  description: "A request that repeats one of the last 24 hours under the same key gets its answer again.",
  schema: { type: "string", minLength: 1, maxLength: limits.idempotency_key_chars_max },
};
