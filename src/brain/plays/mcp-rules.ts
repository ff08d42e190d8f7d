import assert from "node:assert/strict";
import { bodyOf, type Entry } from "../../log/entry.ts";
import type { ModelRequest } from "../../models/model.ts";
import { fold } from "../fold.ts";
import { mcpDefinitions } from "../mcp.ts";
import { isSecretIn } from "./mcp-process.ts";
import { annotations, mcpAgent } from "./mcp-servers.ts";
import type { Played } from "./play.ts";
import { isTold } from "./wire.ts";

interface About extends Pick<Played, "begun" | "asked" | "asked_seqs"> {
  /** The calls' ids by those that the model gave them. */
  ids: ReadonlyMap<string, string>;
}

/** What holds of a session whose agent has MCP servers. */
export function assertMcp(entries: Entry[], { begun, asked, asked_seqs, ids }: About): void {
  assertOnce(begun);
  assertOwnResults(entries, ids);
  assertOffered(entries, asked, asked_seqs);
  const shown = JSON.stringify([entries, asked.at(-1) ?? null]);
  assert.ok(!isSecretIn(shown), "a secret of the vault is in the log");
}

/** A call that may not be made again is made once. */
function assertOnce(begun: About["begun"]): void {
  for (const [call, { tool, times }] of begun) {
    const { readOnlyHint, idempotentHint } = annotations[tool] ?? {};
    const isRepeatable = readOnlyHint === true || idempotentHint === true;
    assert.ok(times === 1 || isRepeatable, `${call}, of "${tool}", was made ${times} times`);
  }
}

/** What a server says to a call is the result of that call. */
function assertOwnResults(entries: Entry[], ids: About["ids"]): void {
  for (const entry of entries) {
    if (entry.type !== "agent.mcp_tool_result") continue;
    const { mcp_tool_use_id, content } = bodyOf(entry, "agent.mcp_tool_result");
    const texts = content.flatMap((block) => (block.type === "text" ? [block.text] : []));
    const [, call] = /^ran (toolu_\w+):/.exec(texts.join("\n")) ?? [];
    if (call !== undefined)
      assert.equal(ids.get(call), mcp_tool_use_id, `entry ${entry.seq}: another call's result`);
  }
}

/** That a server cannot be reached, or refuses who asks, is said once in a run, which goes on. */
export function assertErrors(entries: Entry[]): void {
  let said = new Set<string>();
  entries.forEach((entry, i) => {
    if (entry.type === "session.status_running" && lastStatus(entries.slice(0, i)) === "session.status_idle")
      said = new Set();
    if (entry.type !== "session.error") return;
    const { error } = bodyOf(entry, "session.error");
    if (!("mcp_server_name" in error)) return;
    const what = `${error.type} of ${error.mcp_server_name}`;
    assert.equal(entries[i + 1]?.type, "mcp_server_failed", `entry ${entry.seq}: ${what}, of nothing`);
    assert.ok(!said.has(what), `entry ${entry.seq}: ${what} a second time in one run`);
    said.add(what);
    const next = entries.slice(i + 1).find(({ type }) => goesOn.has(type));
    assert.ok(next && next.type !== "session.status_idle", `entry ${entry.seq}: ${what} has ended the run`);
  });
}

const lastStatus = (entries: Entry[]): string =>
  entries.findLast(({ type }) => type.startsWith("session.status_"))?.type ?? "session.status_idle";

/** What may come after such an error; a promotion may be that of an interrupt. */
const goesOn = new Set([
  "span.model_request_start",
  "agent.mcp_tool_result",
  "promoted",
  "turn_failed",
  "session.status_idle",
]);

/** The model is offered what the log says that the servers have listed. */
function assertOffered(entries: Entry[], asked: ModelRequest[], asked_seqs: number[]): void {
  for (const [n, { tools, messages }] of asked.entries()) {
    if (isTold({ messages })) continue;
    const { mcp_servers } = fold(entries.slice(0, asked_seqs[n]));
    const listed = mcpDefinitions(mcpAgent, mcp_servers).map(
      ({ name, description }) => `${name} ${description}`,
    );
    const offered = tools
      .filter(({ name }) => name.startsWith("mcp__"))
      .map(({ name, description }) => `${name} ${description}`);
    assert.deepEqual(offered, listed, `request ${n + 1} offers other tools than were listed`);
  }
}
