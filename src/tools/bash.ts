import { z } from "zod";
import { limits } from "../limits.ts";
import { preview } from "./preview.ts";
import { defineTool, type Finished, failed, stdout, succeeded } from "./tool.ts";

export const bash = defineTool({
  name: "bash",
  description:
    "Run a command in a persistent bash shell. The working directory, variables, functions and background jobs live on between calls. stdin is empty and there is no terminal: give programs the options with which they ask nothing. The shell starts in /workspace; files meant for the user go to /mnt/session/outputs. A command that runs longer than timeout_ms is ended: start servers and whatever else does not end as background jobs (command >log 2>&1 &). What a job writes that is sent to no file is shown with the next call. Of an output that is too long the two ends are shown, and the path of a file with all of it.",
  input: z.object({
    command: z.string().optional().describe("The command to run. Leave it out only together with restart."),
    restart: z.boolean().optional().describe("End the shell and all it started, and begin a fresh one."),
    timeout_ms: z
      .number()
      .int()
      .nonnegative()
      .max(limits.bash_timeout_ms_max)
      .optional()
      .describe(`Time limit of this call in milliseconds; ${limits.bash_timeout_ms} when left out or 0.`),
  }),
  replay: "never",
  async run({ command, restart, timeout_ms }, sandbox) {
    if (restart) {
      await sandbox.execute("restart", { type: "shell_restart" });
      if (command === undefined) return succeeded("The shell was restarted.");
    }
    if (command === undefined) return failed("Give a command, or restart: true.");
    const limit = timeout_ms || limits.bash_timeout_ms;
    const result = await sandbox.execute(
      "run",
      { type: "shell", command },
      { timeout_ms: limit, keep_output: true },
    );
    const notes: string[] = [];
    if (result.fresh_shell && !restart) {
      notes.push(
        "The shell was started anew for this command: variables and background jobs of earlier ones are gone.",
      );
    }
    if (result.cancelled) notes.push("The command was interrupted before it completed.");
    else if (result.timed_out) notes.push(`The command was ended after ${limit / 1000} s (timeout_ms).`);
    else if (result.exit_code !== 0) notes.push(`Exit code ${result.exit_code}.`);
    const text = [earlierOutput(result), shownOutput(result), ...notes.map((note) => `[${note}]`)];
    return {
      content: [{ type: "text", text: text.filter((part) => part !== "").join("\n") || "[No output.]" }],
      is_error: result.exit_code !== 0 || result.timed_out || result.cancelled,
    };
  },
});

/** The output, or its two ends when it is too long to be handed over. */
function shownOutput(result: Finished): string {
  if (result.omitted_bytes === 0) return withoutNewline(stdout(result));
  const bytes = Buffer.from(result.output_base64, "base64");
  const half = Math.floor(bytes.length / 2);
  const tail = withoutNewline(bytes.subarray(half).toString());
  const ends = { head: bytes.subarray(0, half).toString(), tail };
  return preview(ends, { bytes: bytes.length + result.omitted_bytes, kept: result.kept });
}

function earlierOutput({ earlier_base64, earlier_omitted_bytes }: Finished): string {
  if (earlier_base64 === "") return "";
  const bytes = Buffer.from(earlier_base64, "base64");
  const half = earlier_omitted_bytes > 0 ? Math.floor(bytes.length / 2) : bytes.length;
  const parts = [
    "[Background jobs wrote since the last command:]",
    withoutNewline(bytes.subarray(0, half).toString()),
    earlier_omitted_bytes > 0 ? `[... ${earlier_omitted_bytes} bytes left out ...]` : "",
    withoutNewline(bytes.subarray(half).toString()),
    "[This command:]",
  ];
  return parts.filter((part) => part !== "").join("\n");
}

const withoutNewline = (text: string) => text.replace(/\n$/, "");
