import { type Malformed, malformed } from "./bodies.ts";
import { goodForm, malformedForm } from "./forms.ts";
import type { Random } from "./random.ts";
import type { Schema } from "./schema.ts";

export interface Request {
  method: string;
  /** As it is sent, query and all. */
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array | null;
}

/** One operation of the OpenAPI document. */
export interface Operation {
  method: string;
  path: string;
  /** What is not sent as `null`, and the header that a route has to be asked with. */
  beta: string | null;
  query: { name: string; schema: Schema }[];
  body: Schema | null;
  /** Whether it may be asked without one. */
  body_optional: boolean;
  /** Whether it takes a form with a file instead. */
  form: boolean;
  /** What may be asked at this path beside. */
  methods: string[];
}

/** What requests are made of: operations, bodies that they take, and ids that there are. */
export interface Material {
  operations: Operation[];
  /** By method and path. */
  bodies: Record<string, Record<string, unknown>[]>;
  /** Those that are right in form, but ask for what the server does not have. */
  forms: Record<string, Record<string, unknown>[]>;
  ids: Record<string, string>;
  key: string;
}

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  schema: Schema & { example?: string };
}

export interface OpenApi {
  paths: Record<
    string,
    Record<
      string,
      {
        parameters: Parameter[];
        requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
      }
    >
  >;
}

export function operationsOf({ paths }: OpenApi): Operation[] {
  return Object.entries(paths).flatMap(([path, operations]) => {
    const methods = Object.keys(operations).map((method) => method.toUpperCase());
    return Object.entries(operations).map(([method, { parameters, requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      beta: parameters.find(({ name }) => name === "anthropic-beta")?.schema.example ?? null,
      query: parameters.filter((parameter) => parameter.in === "query"),
      body: requestBody?.content["application/json"]?.schema ?? null,
      body_optional: requestBody?.required === false,
      form: requestBody?.content["multipart/form-data"] !== undefined,
      methods,
    }));
  });
}

/**
 * A request that has to be refused: one thing about it is surely wrong, and now and then a second one. Nothing may
 * depend on the answer to know that.
 */
export function malformedRequest(material: Material, random: Random): Request {
  const { operations } = material;
  const withBody = operations.filter(({ body, form }) => body || form);
  const operation = random.pick(random.chance(0.5) ? withBody : operations);
  const request = wellFormedRequest(operation, material, random);
  const ofBody = operation.form ? inForm : operation.body ? inBody : null;
  const fault = ofBody && random.chance(0.8) ? ofBody : random.pick(faults);
  const made = fault(request, operation, material, random);
  // Another one of its own kind could undo it.
  const others = faults.filter((other) => other !== fault);
  const again = random.chance(0.2) ? random.pick(others)(made, operation, material, random) : made;
  return { ...again, headers: { ...again.headers, ...harmlessHeaders(random) } };
}

export function wellFormedRequest(operation: Operation, material: Material, random: Random): Request {
  const { method, path, beta, form } = operation;
  const route = `${method} ${path}`;
  const samples = material.bodies[route] ?? material.forms[route];
  if (operation.body && !samples) throw new Error(`give the fuzz test bodies for ${method} ${path}`);
  return {
    method,
    path: path.replaceAll(/\{(\w+)\}/g, (_, name: string) => idOf(name, material)),
    headers: {
      "x-api-key": material.key,
      "anthropic-version": "2026-10-21",
      "content-type": "application/json",
      ...(beta ? { "anthropic-beta": beta } : {}),
      ...(form && goodForm().headers),
    },
    body: form ? goodForm().body : samples ? JSON.stringify(random.pick(samples)) : null,
  };
}

function idOf(name: string, { ids }: Material): string {
  const id = ids[name];
  if (!id) throw new Error(`give the fuzz test a ${name}`);
  return id;
}

type Fault = (request: Request, operation: Operation, material: Material, random: Random) => Request;

const inBody: Fault = (request, { method, path, body, body_optional }, { bodies, forms }, random) => {
  const route = `${method} ${path}`;
  const samples = [...(bodies[route] ?? [{}]), ...(forms[route] ?? [])];
  let made: Malformed;
  do made = malformed(random.pick(samples), body ?? {}, random);
  while (body_optional && made.body.toString().trim() === "");
  return { ...request, body: made.body, headers: { ...request.headers, ...made.headers } };
};

const inForm: Fault = (request, { path }, _material, random) => {
  const { body, headers } = malformedForm(path, random);
  return { ...request, body, headers: { ...request.headers, ...headers } };
};

const inMethod: Fault = (request, { methods }, _, random) => {
  const others = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE", "LOCK", "SEARCH", "M-SEARCH"];
  const method = random.pick(others.filter((other) => !methods.includes(other)));
  return { ...request, method };
};

const inHeaders: Fault = (request, operation, _, random) => {
  const { "x-api-key": key = "", "anthropic-beta": beta = "", ...rest } = request.headers;
  const both = { "x-api-key": key, "anthropic-beta": beta };
  const headers = random.pick<Record<string, string>>([
    { "anthropic-beta": beta },
    {
      "anthropic-beta": beta,
      "x-api-key": random.pick(["wrong", `${key}x`, key.toUpperCase(), "\xff", "k".repeat(7_000)]),
    },
    {
      "anthropic-beta": beta,
      authorization: random.pick(["Bearer", "Bearer wrong", `Basic ${key}`, key, "Bearer a b"]),
    },
    {
      ...both,
      "anthropic-version": random.pick(["1999-01-01", "2026-10-21, 2023-06-01", "latest", "\xfc", "0"]),
    },
    { ...both, "anthropic-workspace-id": random.pick(["wrkspc_other", "*", "' or 1=1 --", "\xfc"]) },
    ...(operation.beta === null
      ? []
      : [
          { "x-api-key": key },
          {
            "x-api-key": key,
            "anthropic-beta": random.pick([
              "",
              ",",
              "*",
              `${beta}x`,
              beta.slice(0, -1),
              "files-api-2025-04-14",
            ]),
          },
        ]),
  ]);
  return { ...request, headers: { ...rest, ...headers } };
};

/** Not a valid id of anything, or one that nothing has. */
const oddIds: ((id: string, random: Random) => string)[] = [
  (id) => `${id}x`,
  (id) => id.slice(0, -1),
  (id) => id.toUpperCase(),
  (id) => id.replace("_", "-"),
  (id) => `${id}%00`,
  (id) => `${id}%2f`,
  (id) => `${id}/zz`,
  (id) => `${id};zz`,
  (id) => `%20${id}`,
  (id, random) => `${id.slice(0, id.indexOf("_") + 1)}01${random.below(1e9)}`,
  (_, random) =>
    random.pick([
      "..%2f..%2fetc%2fpasswd",
      "%2e%2e%2f",
      "zz%5c..",
      "%",
      "%zz",
      "%ff",
      "%c0%af",
      "%ed%a0%80",
      "\xff\xfe",
      "%F0%9F%98%80",
      "'%20or%201=1--",
      "null",
      "__proto__",
      "0",
      "{session_id}",
      "x".repeat(5_000),
      "%41".repeat(1_000),
    ]),
];

/** A path without ids gets a part too many: there is no such route. */
const inPath: Fault = (request, { path }, material, random) => {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const [, query] = request.path.split("?", 2);
  const odd = names.length === 0 ? null : random.pick(names);
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const id = idOf(name, material);
    return name === odd ? random.pick(oddIds)(id, random) : id;
  });
  const whole =
    odd === null
      ? `${path}${random.pick(["zz", "//", "/zz/zz/zz/zz/zz", "%00", "%", ";a=1", "%2fzz"])}`
      : filled;
  return { ...request, path: query === undefined ? whole : `${whole}?${query}` };
};

const inQuery: Fault = (request, { query }, _, random) => {
  const known = query.flatMap(({ name, schema }) => oddQueries(name.replace("[]", ""), schema));
  const odd = random.pick([
    ...known,
    "zz=1",
    "zz[]=1",
    "zz[a][b]=1",
    "__proto__[admin]=1",
    "constructor=1",
    "[]=1",
    "[a]=1",
    "%00=1",
    "%ff=1",
    "limit%00=1",
    `${"zz".repeat(2_000)}=1`,
  ]);
  const parts = random.pick([[odd], ["beta=true", odd], [odd, "beta=true"], [odd, "", "&"]]);
  return { ...request, path: `${request.path}${request.path.includes("?") ? "&" : "?"}${parts.join("&")}` };
};

function oddQueries(name: string, schema: Schema): string[] {
  const everywhere = [`${name}[a][b]=1`, `${name}[__proto__]=1`];
  const one = ["x", "1.5", "-1", "99999999999999", "1;", "NaN", "[]", "%00"].map(
    (value) => `${name}=${value}`,
  );
  if (schema.type === "integer") return [...everywhere, ...one, `${name}=1&${name}=1`, `${name}[gte]=1`];
  if (schema.type === "boolean") return [...everywhere, `${name}=perhaps`, `${name}=true&${name}=true`];
  if (schema.type === "object") {
    const inner = ["junk", "2026-02-31T00:00:00Z", "2026-01-01", "0000-01-01T00:00:00Z", "%00", "1"];
    return [
      ...everywhere,
      `${name}=2026-01-01T00:00:00Z`,
      `${name}[zz]=2026-01-01T00:00:00Z`,
      ...inner.map((value) => `${name}[gte]=${value}`),
      `${name}[gte]=junk&${name}[gte]=junk`,
    ];
  }
  if (schema.type === "array") {
    const many = Array.from({ length: 101 }, (_, n) => `${name}[]=zz${n}`).join("&");
    const unknown = schema.items?.enum ? [`${name}[]=zz`, `${name}=zz`] : [];
    return [...everywhere, ...unknown, `${name}[]=%00`, many, `${name}[]=idle&${name}[x]=idle`];
  }
  const long = `${name}=${"x".repeat((schema.maxLength ?? 4_000) + 1)}`;
  const text = [...everywhere, `${name}=a&${name}=b`, `${name}[]=%00`, long];
  return schema.enum ? [...text, `${name}=zz`] : text;
}

/** What no answer may depend on. */
function harmlessHeaders(random: Random): Record<string, string> {
  if (random.chance(0.6)) return {};
  const key = random.pick([
    "a",
    "",
    " ",
    ",",
    "\xfc",
    '"quoted"',
    "k".repeat(300),
    "a, b",
    "../..",
    "\t",
    "0",
  ]);
  return random.pick<Record<string, string>>([
    { "idempotency-key": key },
    { accept: random.pick(["text/html", "*", "", "application/xml;q=0"]) },
    { "x-stainless-helper": "zz", traceparent: "zz", cookie: "a=b; __proto__=1" },
    { "x-forwarded-for": "127.0.0.1, ::1", forwarded: "for=zz", "x-http-method-override": "DELETE" },
    { "accept-encoding": "gzip;q=zz", range: "bytes=5-1", "if-none-match": "*" },
  ]);
}

const faults: Fault[] = [inHeaders, inQuery, inPath, inMethod];
