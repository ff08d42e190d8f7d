import assert from "node:assert/strict";
import { toFile } from "@anthropic-ai/sdk";
import { saidIn } from "../../harness/session.ts";
import { skillText, zipOf } from "../../harness/skills.ts";
import { bash, echoes, next } from "../script.ts";
import { type Group, item } from "../suite.ts";

export const skills: Group = {
  title: "Skills",
  items: [
    item(
      69,
      "Skills of a repository are announced, and attached ones keep their executable bits",
      async ({ client, agent, session, turn }) => {
        const name = `conformance-${crypto.randomUUID()}`;
        const archive = await zipOf([
          { name: `${name}/SKILL.md`, content: skillText(name) },
          { name: `${name}/scripts/run.sh`, content: "#!/bin/sh\necho it ran\n", mode: 0o100755 },
          { name: `${name}/plain.sh`, content: "echo it ran\n", mode: 0o100644 },
        ]);
        const skill = await client.beta.skills.create({ files: [await toFile(archive, `${name}.zip`)] });
        try {
          const { id } = await agent({ skills: [{ type: "custom", skill_id: skill.id }] });
          const { id: session_id } = await session({ agent: id });
          const folder = `cd "$(dirname "$(find /mnt/skills -path '*${name}/SKILL.md')")"`;
          const runs = bash(
            `${folder} && ./scripts/run.sh && ls SKILL.md && ! test -x plain.sh && echo right`,
          );
          assert.match(saidIn(await turn(session_id, runs, next, echoes)), /it ran\s+SKILL\.md\s+right/);
        } finally {
          await client.beta.skills.delete(skill.id);
        }
      },
      { except: "the skills of repositories, for which the server needs one that it can reach" },
    ),
  ],
};
