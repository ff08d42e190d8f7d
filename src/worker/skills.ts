import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type Anthropic from "@anthropic-ai/sdk";
import type { MountSource } from "../hands/bring-mounts.ts";
import type { Mount } from "../hands/wire.ts";
import { skillsFolder } from "../protocol/skills.ts";
import { folderOf } from "../skills/folder.ts";

/** A session that this worker serves, and how it may ask for what belongs to it. */
interface Served {
  client: Anthropic;
  skills: readonly { skill_id: string; version: string }[];
}

/** Brings the skills of the sessions that are served into their sandboxes. */
export interface WorkerSkills {
  source: MountSource;
  /** `version` is by what the sandbox knows what it is to have. */
  enter(sessionId: string, served: Served): { version: number; leave(): void };
}

/** What a session has of skills never changes: there is one version of it, and before it none. */
const whole = 1;

/** `folder` is of its own. It keeps contents, by their hash, for as long as any session is served. */
export function createWorkerSkills(folder: string): WorkerSkills {
  const sessions = new Map<string, Served>();
  const empty = () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
  };
  empty();

  async function fetched({ client, skills }: Served): Promise<Mount[]> {
    const mounts: Mount[] = [];
    for (const { skill_id, version } of skills) mounts.push(...(await unpacked(client, skill_id, version)));
    return mounts;
  }

  async function unpacked(client: Anthropic, skill_id: string, version: string): Promise<Mount[]> {
    const { id } = await client.beta.skills.versions.retrieve(version, { skill_id });
    const answer = await client.beta.skills.versions.download(id, { skill_id });
    const content = Buffer.from(await answer.arrayBuffer());
    const { slug, files } = await folderOf([{ name: `${skill_id}.zip`, content }]);
    return files.map(({ path, content, executable }) => {
      const sha256 = createHash("sha256").update(content).digest("hex");
      writeFileSync(join(folder, sha256), content, { mode: 0o600 });
      return { path: `${skillsFolder}/${slug}/${path}`, sha256, bytes: content.length, executable };
    });
  }

  return {
    source: {
      async listMounts(id) {
        const session = sessions.get(id);
        if (!session || session.skills.length === 0) return { version: 0, mounts: [] };
        return { version: whole, mounts: await fetched(session) };
      },
      openContent: async (sha256, { start, end }) =>
        createReadStream(join(folder, sha256), { start, end: end - 1 }),
    },
    enter(id, served) {
      sessions.set(id, served);
      return {
        version: served.skills.length === 0 ? 0 : whole,
        leave() {
          // It may have been entered anew.
          if (sessions.get(id) === served) sessions.delete(id);
          if (sessions.size === 0) empty();
        },
      };
    },
  };
}
