import { builtInTools } from "../protocol/tools.ts";

/**
 * Tells the model where it is, after the agent's own system prompt. A pure function of the tools that are offered to it,
 * and so the same for as long as those are: what changes from turn to turn has no place in it.
 */
export function preamble(offered: readonly string[]): string | null {
  const inside = offered.filter((name) => !name.startsWith("web_"));
  if (inside.length === 0) return null;
  const off = builtInTools.filter((name) => !offered.includes(name));
  return [
    `Your tools ${inside.join(", ")} act in a Linux sandbox of this session's own.`,
    "- /workspace is the working directory. It and your home directory are kept for as long as the session; /tmp is not.",
    "- /mnt/session/outputs is where files go that the user should get.",
    "- /mnt/session/tool_results holds tool outputs that were too long to be shown whole. You can only read there.",
    "- What it may reach of the network is set by its environment. Programs go out through an HTTP proxy, which most of them find by themselves (HTTP_PROXY); where one is refused, the answer says why.",
    ...(inside.includes("bash") ? ["- Commands get no input: nobody sits at a terminal."] : []),
    ...(off.length > 0 ? [`- Not available in this session: ${off.join(", ")}.`] : []),
  ].join("\n");
}
