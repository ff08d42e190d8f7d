import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { startTestServer } from "./harness/server.ts";

const root = join(import.meta.dirname, "..");
const api = await startTestServer();
after(() => api.close());

const nameless = (path: string) => path.replaceAll(/\$?\{[^}]*\}/g, "{}");

/** What the official SDK can ask for, as `GET /v1/agents/{}`. */
function ofSdk(): Set<string> {
  const resources = join(root, "node_modules/@anthropic-ai/sdk/resources");
  const calls = globSync("**/*.mjs", { cwd: resources }).flatMap((file) => [
    ...readFileSync(join(resources, file), "utf8").matchAll(
      /_client\.(get|post|delete|getAPIList)\((?:path ?)?[`'"](\/v1\/[^`'"?]*)/g,
    ),
  ]);
  const methods: Record<string, string> = { get: "GET", getAPIList: "GET", post: "POST", delete: "DELETE" };
  return new Set(calls.map(([, method = "", path = ""]) => `${methods[method]} ${nameless(path)}`));
}

test("docs/ADDITIONS.md names every route that the official SDK does not ask for, and no other one", async () => {
  const sdk = ofSdk();
  assert.ok(sdk.has("GET /v1/sessions/{}") && sdk.has("POST /v1/sessions/{}/events"));
  const { paths } = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const ours = Object.entries(paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((route) => !sdk.has(nameless(route)));
  const text = readFileSync(join(root, "docs/ADDITIONS.md"), "utf8");
  const named = [...text.matchAll(/`((?:GET|POST|DELETE) \/(?:v1|console\/session)[^`?]*)[`?]/g)].map(
    ([, route = ""]) => route,
  );
  assert.deepEqual([...new Set(named)].toSorted(), ours.toSorted());
});
