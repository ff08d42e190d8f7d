import { z } from "zod";
import { limits } from "../limits.ts";
import { idOf } from "./ids.ts";
import { pageOf, pageQuery } from "./page.ts";

/**
 * A *skill* is a folder of instructions for a model, with what they need. Its *slug* is the name of that folder, fixed when
 * the skill is made; what is in it comes in *versions*, which never change.
 */

const skillSource = z.object({ type: z.enum(["custom", "anthropic", "anthropic_example", "plugin"]) });

export const skill = z.object({
  id: z.string(),
  type: z.literal("skill"),
  display_name: z.string(),
  latest_version_id: z.string(),
  source: skillSource,
  created_at: z.string(),
  updated_at: z.string(),
});
export type Skill = z.infer<typeof skill>;

export const skillVersion = z.object({
  id: z.string(),
  type: z.literal("skill_version"),
  skill_id: z.string(),
  /** The skill's slug. */
  name: z.string(),
  description: z.string(),
  created_at: z.string(),
});
export type SkillVersion = z.infer<typeof skillVersion>;

export const deletedSkill = z.object({ id: z.string(), type: z.literal("skill_deleted") });
export const deletedSkillVersion = z.object({ id: z.string(), type: z.literal("skill_version_deleted") });

const displayName = z
  .string()
  .max(limits.skill_display_name_chars_max)
  .regex(/^[^\p{Cc}\u2028\u2029]*$/u, "must be a single line");

/** Of the form that is uploaded, what is not a file. */
export const createSkillFields = z.strictObject({ display_name: displayName.optional() });
export const createSkillVersionFields = z.strictObject({});

export const listSkillsQuery = pageQuery().extend({ source: skillSource.shape.type.optional() });
export type ListSkills = z.infer<typeof listSkillsQuery>;
export const listSkillVersionsQuery = pageQuery();
export type ListSkillVersions = z.infer<typeof listSkillVersionsQuery>;

/** Some clients page by `has_more`, others by `next_page`. */
const pageWithMore = <Item extends z.ZodType>(item: Item) =>
  z.object({ ...pageOf(item).shape, has_more: z.boolean() });
export const skillsPage = pageWithMore(skill);
export const skillVersionsPage = pageWithMore(skillVersion);

/** What stands for the newest version, wherever one is named. */
export const latestVersion = "latest";

/** Where sandboxes have them, each in a folder of its slug. */
export const skillsFolder = "/mnt/skills";

export const versionName = z.union([z.literal(latestVersion), idOf("skill_version")]);
