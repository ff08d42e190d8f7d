import { buffer } from "node:stream/consumers";
import type Anthropic from "@anthropic-ai/sdk";
import type { Uploadable } from "@anthropic-ai/sdk";
import { toFile } from "@anthropic-ai/sdk";
import { ZipFile } from "yazl";

/** What a SKILL.md begins with. */
export const skillText = (name: string, description = `Does ${name}.`, body = `# ${name}\n`): string =>
  `---\nname: ${name}\ndescription: ${description}\n---\n\n${body}`;

/** The files of a folder, as the SDK sends them. */
export const filesOf = (folder: string, files: Record<string, string | Buffer>): Promise<Uploadable[]> =>
  Promise.all(
    Object.entries(files).map(([path, content]) => toFile(Buffer.from(content), `${folder}/${path}`)),
  );

export const newSkill = async (
  client: Anthropic,
  name: string,
  files: Record<string, string | Buffer> = {},
) => client.beta.skills.create({ files: await filesOf(name, { "SKILL.md": skillText(name), ...files }) });

export interface ZipMember {
  name: string;
  content?: string | Buffer;
  mode?: number;
}

export function zipOf(members: readonly ZipMember[]): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { name, content = "", mode = 0o100644 } of members)
    if (name.endsWith("/")) zip.addEmptyDirectory(name);
    else zip.addBuffer(Buffer.from(content), name, { mode });
  zip.end();
  return buffer(zip.outputStream);
}
