import { builtInTools } from "../protocol/tools.ts";

/**
 * Tells the model where it is, after the agent's own system prompt. A pure function of the tools that are offered to it,
 * and so the same for as long as those are: what changes from turn to turn has no place in it.
 */
export function preamble(
  offered: readonly string[],
  runner: "sandbox" | "worker" = "sandbox",
): string | null {
  const inside = offered.filter((name) => !name.startsWith("web_"));
  if (inside.length === 0) return null;
  const off = builtInTools.filter((name) => !offered.includes(name));
  return [
    ...(runner === "sandbox" ? ofSandbox(inside) : ofWorker(inside)),
    ...(inside.includes("bash") ? ["- Commands get no input: nobody sits at a terminal."] : []),
    ...(off.length > 0 ? [`- Not available in this session: ${off.join(", ")}.`] : []),
  ].join("\n");
}

const ofSandbox = (inside: readonly string[]): string[] => [
  `Your tools ${inside.join(", ")} act in a Linux sandbox of this session's own.`,
  "- /workspace is the working directory. It and your home directory are kept for as long as the session; /tmp is not.",
  "- /mnt/session/uploads holds the files that the user has given, if any; they may come and go. You can only read there.",
  "- /mnt/session/outputs is where files go that the user should get.",
  "- /mnt/session/tool_results holds tool outputs that were too long to be shown whole. You can only read there.",
  "- What it may reach of the network is set by its environment. Programs go out through an HTTP proxy, which most of them find by themselves (HTTP_PROXY); where one is refused, the answer says why.",
];

/** The official SDK's worker starts wherever it was told to, and cuts calls off. */
const ofWorker = (inside: readonly string[]): string[] => [
  `Your tools ${inside.join(", ")} act on a machine of the user's own.`,
  "- They start in its working directory, which is meant where a tool speaks of /workspace: name files by paths relative to it.",
  "- There is no /mnt/session: say where the files are that the user should get.",
  "- A call that takes longer than two minutes may be cut off.",
];
