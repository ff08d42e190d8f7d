import { limits } from "../../src/limits.ts";
import type { Recovery } from "../../src/protocol/events.ts";
import type { ListedEvent } from "../harness/session.ts";
import type { Harm } from "./adversary.ts";
import type { Evidence } from "./checker.ts";

/** A time in which something was done to a host, or to a connection with it. */
export interface HostHarm {
  host: string;
  /** It, or a sandbox of its, was made to end. */
  ended: boolean;
  /** Times of the process that looks, in `ms`. */
  from: number;
  until: number;
}

export function hostHarmsOf(harms: readonly Harm[], hosts: readonly string[]): HostHarm[] {
  return harms.flatMap(({ act, from, until }) => {
    if (act.do === "kill_sandbox") return [{ host: act.on, ended: true, from, until }];
    const part = act.do === "break" ? act.link.split("~").at(1) : "part" in act ? act.part : undefined;
    return part !== undefined && hosts.includes(part)
      ? [{ host: part, ended: act.do === "kill", from, until }]
      : [];
  });
}

/**
 * For how long a host that is whole again may be out of reach all the same: an attempt to reach it that began before is given
 * up only then, and the next one takes its time.
 */
const felt_ms = limits.hands_silent_ms + limits.hands_ping_ms;

/** How a result came about although a sandbox or its host was lost meanwhile, if it says so. */
export function recoveryOf(event: ListedEvent): Recovery | null {
  return event.type === "agent.tool_result" ? ((event as { recovery?: Recovery }).recovery ?? null) : null;
}

/**
 * A call is lost only where something that was done to a host or a sandbox was felt while it was open. What only reads is
 * run again then, and of everything else the outcome is unknown.
 */
export function ofLosses({ list, sent_ms, seen_ms, hostHarms, hostIds }: Evidence): string[] {
  const problems: string[] = [];
  const calls = new Map<string, { name: string; since: number }>();
  /** What was sent before an event was not later than this. */
  let since = Number.NEGATIVE_INFINITY;
  for (const event of list) {
    since = Math.max(since, sent_ms.get(event.id) ?? since);
    if (event.type === "agent.tool_use") calls.set(event.id, { name: event.name, since });
    const recovery = recoveryOf(event);
    if (recovery === null || event.type !== "agent.tool_result") continue;
    const call = calls.get(event.tool_use_id);
    const from = call?.since ?? since;
    const until = seen_ms.get(event.id) ?? Number.POSITIVE_INFINITY;
    const [id] = /host_\w+/.exec(recovery.reason) ?? [];
    const host = id === undefined ? undefined : (hostIds.get(id) ?? id);
    const ended = / ended while the command ran/.test(recovery.reason);
    const fits = hostHarms.some(
      (harm) =>
        harm.from <= until &&
        harm.until + felt_ms >= from &&
        (host === undefined || host === harm.host) &&
        (!ended || harm.ended),
    );
    if (!fits) problems.push(`${event.id} says that ${recovery.reason}, and nothing of the kind was done`);
    if (call?.name === "bash" && recovery.type === "run_again") problems.push(`${event.id} was run again`);
    if (recovery.type === "outcome_unknown" && event.is_error !== true)
      problems.push(`${event.id} says that nobody knows its outcome, and that it has worked`);
  }
  return problems;
}
