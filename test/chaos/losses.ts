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

const unknown = /The outcome of this call is unknown: (.*)\. It may have run/s;

/** Why the outcome of a call is unknown, if a result says so. */
export function lossTold(event: Evidence["list"][number]): string | null {
  if (event.type !== "agent.tool_result") return null;
  const [, why] = unknown.exec(JSON.stringify(event.content)) ?? [];
  return why ?? null;
}

/** The outcome of a call is unknown only where something was done to a host or a sandbox while the call was open. */
export function ofLosses({ list, sent_ms, seen_ms, hostHarms, hostIds }: Evidence): string[] {
  const problems: string[] = [];
  const begun = new Map<string, number>();
  /** What was sent before an event was not later than this. */
  let since = Number.NEGATIVE_INFINITY;
  for (const event of list) {
    since = Math.max(since, sent_ms.get(event.id) ?? since);
    if (event.type === "agent.tool_use") begun.set(event.id, since);
    const why = lossTold(event);
    if (why === null || event.type !== "agent.tool_result") continue;
    const from = begun.get(event.tool_use_id) ?? since;
    const until = seen_ms.get(event.id) ?? Number.POSITIVE_INFINITY;
    const [id] = /host_\w+/.exec(why) ?? [];
    const host = id === undefined ? undefined : (hostIds.get(id) ?? id);
    const ended = / ended while the command ran/.test(why);
    const fits = hostHarms.some(
      (harm) =>
        harm.from <= until &&
        harm.until >= from &&
        (host === undefined || host === harm.host) &&
        (!ended || harm.ended),
    );
    if (!fits) problems.push(`${event.id} says that ${why}, and nothing of the kind was done`);
  }
  return problems;
}
