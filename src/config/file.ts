import { createRequire } from "node:module";
import { z } from "zod";
import { egressShape } from "./egress.ts";
import { handsShape } from "./hands.ts";
import { mcpShape } from "./mcp.ts";
import { modelsShape } from "./models.ts";
import { repositoriesShape } from "./repositories.ts";
import { sandboxesShape } from "./sandboxes.ts";
import { webShape } from "./web.ts";

const fileShape = z.strictObject({
  models: modelsShape.optional(),
  web: webShape.optional(),
  mcp: mcpShape.optional(),
  hands: handsShape.optional(),
  sandboxes: sandboxesShape.optional(),
  egress: egressShape.optional(),
  repositories: repositoriesShape.optional(),
});
export type ConfigFile = z.infer<typeof fileShape>;

/** Not every process has such a file. */
const load = createRequire(import.meta.url);

/** The text of the file that DROVER_CONFIG names. Problems name the path in it, and never a value. */
export function parseConfigFile(text: string): { file: ConfigFile } | { problems: string[] } {
  const { parseDocument } = load("yaml") as typeof import("yaml");
  const document = parseDocument(text, { prettyErrors: true });
  const [broken] = document.errors;
  if (broken) return { problems: [firstLine(broken.message)] };
  const parsed = fileShape.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  return parsed.success ? { file: parsed.data } : { problems: parsed.error.issues.flatMap(problemsOf) };
}

const firstLine = (text: string) => text.split("\n")[0]?.replace(/:$/, "") ?? "";

function problemsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${[...issue.path, key].join(".")}: is not a setting`);
  const [inner] = issue.code === "invalid_key" ? issue.issues : [];
  return [`${issue.path.join(".") || "the file"}: ${(inner ?? issue).message}`];
}
