import { limits } from "../../limits.ts";
import type { HostConnection } from "../client.ts";
import type { Output, OutputsList, OutputsOf } from "../wire.ts";

/** Outputs of a sandbox that nobody has taken, as far as its host knows. */
export interface FoundOutputs extends OutputsOf {
  host_id: string;
  /** Throws `HostSilent`, as the others do. */
  list(): Promise<OutputsList>;
  /** Throws `OutputChanged` where it is not as it was listed any more. */
  read(output: Output): AsyncGenerator<Buffer>;
  /** All that was listed is taken. */
  taken(list: Pick<OutputsList, "state">): Promise<void>;
}

export class OutputChanged extends Error {
  override readonly name = "OutputChanged";
}

/** The host cannot be asked at the moment. */
export class HostSilent extends Error {
  override readonly name = "HostSilent";
}

export function outputsAt(host: HostConnection, host_id: string, which: OutputsOf): FoundOutputs {
  const of = { session_id: which.session_id, sandbox_id: which.sandbox_id };
  const heard = <T extends object>(answer: T | string): T => {
    if (typeof answer === "string") throw new HostSilent(`the sandbox host ${host_id} does not answer`);
    return answer;
  };
  return {
    ...of,
    host_id,
    async list() {
      return heard(await host.ask({ type: "list_outputs", ...of }, "outputs")).list;
    },
    async *read({ path, version, bytes }) {
      for (let offset = 0; offset < bytes; ) {
        const length = Math.min(limits.output_chunk_bytes, bytes - offset);
        const asked = { type: "read_output" as const, ...of, path, version, offset, length };
        const { data_base64 } = heard(await host.ask(asked, "output"));
        const data = data_base64 === null ? null : Buffer.from(data_base64, "base64");
        if (data?.length !== length) throw new OutputChanged(`${path} has changed`);
        offset += length;
        yield data;
      }
    },
    async taken({ state }) {
      heard(await host.ask({ type: "outputs_taken", ...of, state }, "ok"));
    },
  };
}

export interface WatchParts {
  hosts: readonly HostConnection[];
  reachable(): HostConnection[];
}

/**
 * Calls `found` for what hosts say has changed, and for what they have that nobody has taken, until the returned function is
 * called: any number of times for the same.
 */
export function watchOutputs(
  { hosts, reachable }: WatchParts,
  found: (outputs: FoundOutputs) => void,
): () => void {
  const tell = (host: HostConnection, which: OutputsOf) => {
    const host_id = reachable().includes(host) ? host.facts()?.host_id : undefined;
    if (host_id !== undefined) found(outputsAt(host, host_id, which));
  };

  async function ask(host: HostConnection): Promise<void> {
    // One that cannot answer now is asked again in a moment.
    const answer = await host.ask({ type: "changed_outputs" }, "changed_outputs").catch(() => "unknown");
    if (typeof answer === "object") for (const which of answer.sandboxes) tell(host, which);
  }

  const up = new Set<HostConnection>();
  function greet(host: HostConnection): void {
    if (!host.isUp()) up.delete(host);
    else if (!up.has(host)) {
      up.add(host);
      ask(host);
    }
  }

  const asking = setInterval(() => {
    for (const host of reachable()) ask(host);
  }, limits.outputs_poll_ms);
  const forget = hosts.flatMap((host) => [
    host.onOutputs((which) => tell(host, which)),
    host.onChange(() => greet(host)),
  ]);
  for (const host of hosts) greet(host);
  return () => {
    clearInterval(asking);
    for (const each of forget) each();
  };
}
