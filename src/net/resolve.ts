import { Resolver } from "node:dns/promises";
import { limits } from "../limits.ts";

/**
 * The addresses that the DNS has for a name; none when there is no such name. Asks the name servers itself: neither the
 * machine's own names nor its search domains count, and a slow server holds none of the threads that files need.
 */
export async function resolvePublicly(name: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: limits.net_resolve_ms, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}
