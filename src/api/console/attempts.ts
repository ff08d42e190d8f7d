import { limits } from "../../limits.ts";
import { ApiError } from "../../protocol/errors.ts";

/** Sign-ins that have failed, as this process has seen them. */
export interface SignInAttempts {
  /** Throws while too many have. */
  mayTry(address: string): void;
  failed(address: string): void;
}

/** `now`: in `ms`. What is remembered is bounded: of too many addresses the one that failed longest ago is forgotten. */
export function createSignInAttempts(now: () => number = () => performance.now()): SignInAttempts {
  const byAddress = new Map<string, { since: number; count: number }>();
  let all = { since: now(), count: 0 };
  const isOver = ({ since }: { since: number }) => now() - since >= limits.console_failures_ms;

  return {
    mayTry(address) {
      const own = byAddress.get(address);
      const ofOne = own && !isOver(own) && own.count >= limits.console_failures_max ? own : null;
      const ofAll = !isOver(all) && all.count >= limits.console_failures_all_max ? all : null;
      const full = ofOne ?? ofAll;
      if (!full) return;
      const seconds = Math.max(1, Math.ceil((limits.console_failures_ms - (now() - full.since)) / 1_000));
      throw new ApiError("rate_limit_error", "too many sign-ins have failed: try again later", {
        headers: { "retry-after": String(seconds), "x-should-retry": "false" },
      });
    },
    failed(address) {
      if (isOver(all)) all = { since: now(), count: 0 };
      all.count += 1;
      const before = byAddress.get(address);
      const own = before && !isOver(before) ? before : { since: now(), count: 0 };
      own.count += 1;
      byAddress.delete(address);
      byAddress.set(address, own);
      const [oldest] = byAddress.keys();
      if (byAddress.size > limits.console_addresses_max && oldest !== undefined) byAddress.delete(oldest);
    },
  };
}

/** Of IPv6 the network that one customer has: its addresses are as many as anybody wants. */
export function addressOf(remote: string | undefined): string {
  const address = (remote ?? "").replace(/^::ffff:(?=\d+\.)/, "");
  if (!address.includes(":")) return address;
  const [before = "", after] = address.replace(/%.*$/, "").split("::");
  const parts = (text: string) => (text === "" ? [] : text.split(":"));
  const left = parts(before);
  const right = parts(after ?? "");
  // Eight in all, of which `::` stands for those that are not there.
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
