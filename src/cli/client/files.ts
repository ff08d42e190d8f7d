import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { FileMetadata } from "../../protocol/files.ts";
import { exits, Failure } from "../exits.ts";
import { type Form, printDrawn, printLine } from "../print.ts";
import { jsonText, visibleLine } from "../terminal.ts";
import { asking, withJson, withServer } from "./at-server.ts";
import { uploading } from "./connection.ts";
import { type ListOptions, pageSize, printList, withList } from "./listed.ts";
import { pathIn } from "./outputs.ts";
import { placeBeneath, saveFile } from "./saving.ts";
import { contentOf, requireFile } from "./sending.ts";
import { sessionId } from "./sessions.ts";
import { ago, bytes, record, when } from "./table.ts";

interface Download extends Form {
  output?: string;
  force?: boolean;
}

const betas = ["managed-agents-2026-04-01"];

export function filesCommand(): Command {
  const files = new Command("files").description(
    "Work with files: what clients upload, and what sessions make",
  );

  withList(files.command("list").alias("ls").description("List the files, newest first"))
    .option("--session <id>", "those of this session, by its id, or last")
    .action(
      asking(async (client, { session, ...options }: ListOptions & { session?: string }) => {
        const scope = session === undefined ? {} : { scope_id: await sessionId(client, session) };
        const all = client.beta.files.list({ limit: pageSize(options), ...scope, betas });
        await printList(all, options, {
          head: ["id", "name", "size", "type", "made"],
          row: (file) => [
            file.id,
            pathIn(file as FileMetadata),
            bytes(file.size_bytes),
            file.mime_type,
            ago(file.created_at),
          ],
          none: "there is no file",
        });
      }),
    );

  withJson(withServer(files.command("show").description("Show what is known of a file")))
    .argument("<file>", "its id")
    .action(
      asking(async (client, id: string, form: Form) => {
        const file = (await client.beta.files.retrieveMetadata(id, { betas })) as FileMetadata;
        printDrawn(form, file, shown);
      }),
    );

  withJson(
    withServer(files.command("upload").description("Upload files, and print their ids")),
    "print each as a line of JSON",
  )
    .argument("<path...>", "files of this machine")
    .option("--expires-in <seconds>", "when their content goes", seconds)
    .action(
      asking(async (client, paths: string[], { expiresIn, json }: { expiresIn?: number } & Form) => {
        for (const path of paths) requireFile(path);
        for (const path of paths) {
          const file = await client.files.upload(
            {
              file: await contentOf(path),
              ...(expiresIn !== undefined && { expires_in_seconds: expiresIn }),
            },
            uploading,
          );
          process.stdout.write(`${json ? jsonText(file) : visibleLine(file.id)}\n`);
        }
      }),
    );

  withJson(
    withServer(files.command("download").description("Save a file that a session has made")),
    "print as JSON where it was saved",
  )
    .argument("<file>", "its id")
    .addOption(
      new Option("-o, --output <path>", "where to; - is standard output (default: its own name, here)"),
    )
    .option("--force", "replace what is there")
    .action(
      asking(async (client, id: string, { output, force, json }: Download) => {
        if (output === "-") {
          if (json)
            throw new Failure("--json says where the file was saved: name a place with -o", exits.usage);
          if (process.stdout.isTTY)
            throw new Failure("what a file holds is not for a terminal: name a place with -o", exits.usage);
          const { body } = await client.beta.files.download(id, { betas });
          for await (const chunk of body ?? []) process.stdout.write(chunk);
          return;
        }
        const place =
          output ?? placeBeneath(".", (await client.beta.files.retrieveMetadata(id, { betas })).filename);
        await saveFile(client, id, place, { force });
        if (json) printLine({ json }, { id, path: resolve(place) }, "");
        else process.stderr.write(`${visibleLine(`${id} is saved as ${place}`)}\n`);
      }),
    );

  withJson(
    withServer(files.command("delete").description("Delete files")),
    "print each answer as a line of JSON",
  )
    .argument("<file...>", "their ids")
    .action(
      asking(async (client, ids: string[], { json }: Form) => {
        for (const id of ids) {
          const gone = await client.beta.files.delete(id, { betas });
          process.stdout.write(`${json ? jsonText(gone) : visibleLine(`${id} is deleted`)}\n`);
        }
      }),
    );
  return files;
}

const shown = (file: FileMetadata) =>
  record(
    [
      ["id", file.id],
      ["name", file.filename],
      ["path", file.path ?? null],
      ["size", bytes(file.size_bytes)],
      ["type", file.mime_type],
      ["session", file.scope?.id ?? null],
      ["downloadable", file.downloadable ? "yes" : "no"],
      ["made", when(file.created_at)],
      ["expires", file.expires_at && when(file.expires_at)],
    ],
    process.stdout,
  );

function seconds(text: string): number {
  const n = Number(text);
  if (/^\d{1,9}$/.test(text) && n >= 1) return n;
  throw new InvalidArgumentError("It must be a whole number of seconds.");
}
