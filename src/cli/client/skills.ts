import type Anthropic from "@anthropic-ai/sdk";
import type { Skill } from "@anthropic-ai/sdk/resources/skills/skills";
import { Command } from "commander";
import { type Form, printLine } from "../print.ts";
import { asking, withJson, withServer } from "./at-server.ts";
import { type ListOptions, pageSize, printList, withList } from "./listed.ts";
import { idOf } from "./named.ts";
import { ago } from "./table.ts";

export function skillsCommand(): Command {
  const skills = new Command("skills").description(
    "Work with skills: folders of instructions that agents read",
  );

  withList(skills.command("list").alias("ls").description("List the skills")).action(
    asking((client, options: ListOptions) =>
      printList(client.skills.list({ limit: pageSize(options) }), options, {
        head: ["id", "name", "source", "latest version", "changed"],
        row: (skill) => [
          skill.id,
          skill.display_name,
          skill.source.type,
          skill.latest_version_id,
          ago(skill.updated_at),
        ],
        none: "there is no skill: drover skills push uploads one",
      }),
    ),
  );

  withList(skills.command("versions").description("List the versions of a skill, newest first"))
    .argument("<skill>", "its id or display name")
    .action(
      asking(async (client, named: string, options: ListOptions) =>
        printList(
          client.skills.versions.list(await skillId(client, named), { limit: pageSize(options) }),
          options,
          {
            head: ["id", "name", "made", "description"],
            row: ({ id, name, created_at, description }) => [id, name, ago(created_at), description],
            none: "it has no version",
          },
        ),
      ),
    );

  withJson(
    withServer(
      skills
        .command("push")
        .description("Upload a folder: a new skill, or a new version of the one that has its name"),
    ),
  )
    .argument("<folder>", "the folder with SKILL.md")
    .option("--name <text>", "what people see of a new skill as its name")
    .action(
      asking(async (client, folder: string, { name, ...form }: { name?: string } & Form) => {
        const { pushSkill } = await import("./skills-push.ts");
        const { skill_id, version_id, is_new } = await pushSkill(client, folder, name);
        const line = `${skill_id} ${is_new ? "is made" : "has a new version"}: ${version_id}`;
        printLine(form, { skill_id, version_id, is_new }, line);
      }),
    );

  withJson(withServer(skills.command("delete").description("Delete a skill with all of its versions")))
    .argument("<skill>", "its id or display name")
    .action(
      asking(async (client, named: string, form: Form) => {
        const id = await skillId(client, named);
        printLine(form, await client.skills.delete(id), `${id} is deleted`);
      }),
    );
  return skills;
}

export async function* skillsNamed(client: Anthropic): AsyncGenerator<Skill & { name: string }> {
  for await (const skill of client.skills.list({ limit: 100 })) yield { ...skill, name: skill.display_name };
}

const skillId = (client: Anthropic, named: string): Promise<string> =>
  idOf("skill", named, "skill", () => skillsNamed(client));
