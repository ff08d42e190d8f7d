import { parseDocument } from "yaml";
import { z } from "zod";
import { limits } from "../limits.ts";
import { invalid } from "../protocol/errors.ts";

/** What a SKILL.md says of its skill, in the YAML between the lines of dashes that it begins with. */
export interface FrontMatter {
  name: string | null;
  description: string;
}

export const slugPattern = /^[a-z0-9]+(-[a-z0-9]+)*$/;

const atMost = (chars: number) => `must have at most ${chars} characters`;
const { skill_slug_chars_max: slugMax, skill_description_chars_max: descriptionMax } = limits;

const frontMatter = z.object({
  name: z
    .string("must be text")
    .max(slugMax, atMost(slugMax))
    .regex(slugPattern, 'must be lower-case letters, digits and hyphens, such as "pdf-forms"')
    .nullish(),
  description: z
    .string({ error: ({ input }) => (input === undefined ? "is required" : "must be text") })
    .transform((text) => text.trim())
    .pipe(
      z
        .string()
        .min(1, "must say what the skill does and when it is of use")
        .max(descriptionMax, atMost(descriptionMax))
        .regex(/^(?:[^\p{Cc}]|[\n\t])*$/u, "may not contain control characters"),
    ),
});

const refuse = (what: string, cause?: unknown) => invalid(`SKILL.md: ${what}`, { cause });

export function frontMatterOf(content: Buffer): FrontMatter {
  const text = content.subarray(0, limits.skill_front_matter_bytes_max).toString("utf8");
  const [, yaml] = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text) ?? [];
  if (yaml === undefined)
    throw refuse(
      `must begin with front matter: a line ---, name and description in YAML, and another line ---, in ${limits.skill_front_matter_bytes_max} bytes at most`,
    );
  const document = parseDocument(yaml, { logLevel: "silent" });
  const [error] = document.errors;
  if (error) throw refuse(`its front matter is no YAML: ${error.message.split("\n")[0]}`, error);
  const { success, data, error: problem } = frontMatter.safeParse(mappingOf(document));
  if (!success) {
    const [issue] = problem.issues;
    throw refuse([...(issue?.path ?? []), issue?.message].join(": "));
  }
  return { name: data.name ?? null, description: data.description };
}

/** Without aliases, of which a few can stand for very much. */
function mappingOf(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw refuse(`its front matter cannot be read: ${(error as Error).message}`, error);
  }
}
