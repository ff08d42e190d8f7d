import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";

/** Whether they are here already. */
export const userNamespacesForbidden =
  readFileSync("/proc/sys/user/max_user_namespaces", "utf8").trim() === "0";

/** Makes /proc anew and forbids user namespaces from there on, once its users are those of the machine. */
const script = `echo ready; read -r _; exec setpriv --reuid 0 --regid 0 --clear-groups sh -c '
  mount -t proc proc /proc && echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"`;

/** Runs a program as a root to whom the kernel gives no more user namespaces. */
export async function withoutUserNamespaces(argv: string[]): Promise<{ code: number; output: string }> {
  const isolation = ["--user", "--mount", "--pid", "--fork", "--kill-child"];
  const child = spawn("unshare", [...isolation, "sh", "-c", script, "sh", ...argv], {
    env: { PATH: process.env.PATH, TMPDIR: "/tmp" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  await once(child.stdout, "data");
  for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${child.pid}/${map}`, "0 0 4294967295\n");
  child.stdin.end("go\n");
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { code, output: output + errors };
}
