import { createHash } from "node:crypto";

/**
 * What the model calls a server's tool by: `mcp__<server>__<tool>`, in the letters and the length that every vendor takes.
 * I1. The same server and tool always have the same name, whatever others there are: requests extend each other.
 * I2. Two share one only where somebody has looked for such names. One that shows both as they are can be read back in one way
 *     only. One that cannot show them ends in a hash of both, as none of the others does; it is a short one.
 */
export function mcpToolName(server: string, tool: string): string {
  const plain = `mcp__${server}__${tool}`;
  if (isPlainServer.test(server) && isPlainTool.test(tool) && plain.length <= charsMax && !hashed.test(tool))
    return plain;
  const hash = createHash("sha256")
    .update(JSON.stringify([server, tool]))
    .digest("hex")
    .slice(0, hashChars);
  const room = charsMax - `mcp____`.length - hash.length - 1;
  const shownServer = slugOf(server).slice(0, Math.floor(room / 3)) || "server";
  const shownTool = slugOf(tool).slice(0, room - shownServer.length) || "tool";
  return `mcp__${shownServer}__${shownTool}_${hash}`;
}

/** The lowest limit among the vendors is that of OpenAI and Google. */
const charsMax = 64;
const hashChars = 12;
/** With no `__` in it, and no `_` beside the one that follows it. */
const isPlainServer = /^[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*$/;
const isPlainTool = /^[A-Za-z0-9-][A-Za-z0-9_-]*$/;
const hashed = /_[0-9a-f]{12}$/;

const slugOf = (text: string): string => text.replace(/[^A-Za-z0-9-]+/g, "_").replace(/^_+|_+$/g, "");
