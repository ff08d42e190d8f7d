import { skillsFolder } from "../protocol/skills.ts";
import { type AgentFacts, type KnownSkill, toolUseOf } from "./session.ts";

/** Where the official SDK's worker unpacks them: in its working directory. */
const workersFolder = "skills";

/**
 * Tells the model of the skills that its agent has, if it can read them. A pure function of what never changes in a session but
 * the agent's tools, and so the same in each request for as long as those are.
 */
export function skillsNotice(
  agent: AgentFacts,
  skills: readonly KnownSkill[],
  runner: "sandbox" | "worker",
): string | null {
  if (toolUseOf(agent, "read").kind !== "built_in") return null;
  const own = skills.filter(({ skill_id }) => agent.skills.some((skill) => skill.skill_id === skill_id));
  if (own.length === 0) return null;
  const folder = runner === "sandbox" ? skillsFolder : workersFolder;
  return [
    "You have skills: folders with instructions for particular kinds of tasks, and what those need.",
    "When a task fits one, read its SKILL.md before you begin. Paths in it are relative to its folder.",
    ...(runner === "worker" ? [`Some workers have them in ${skillsFolder} instead.`] : []),
    ...own.map(({ name, description }) => `- ${name} (${folder}/${name}/SKILL.md): ${oneLine(description)}`),
  ].join("\n");
}

/** As whoever looks at it sees it: without what models read and people do not, and what turns text around. */
export const oneLine = (text: string) =>
  text
    .replaceAll(/[\u{e0000}-\u{e007f}\u202a-\u202e\u2066-\u2069]/gu, "")
    .replaceAll(/[\s\p{Cc}\u2028\u2029]+/gu, " ")
    .trim();
