import type { Figure } from "../figure.ts";
import type { Rig } from "../rig.ts";
import { median } from "../stats.ts";
import { toolTurn, turn } from "./turn.ts";

/**
 * Statements of one turn, tail reads and claims included. The rounds that look for lost work come once a second and
 * fall into few turns: the median knows nothing of them.
 */
export async function statements(rig: Rig): Promise<Figure[]> {
  const plain = [{ text: "say hi", kind: "plain turn", one: 6, two: 9 }];
  const tool = [{ text: toolTurn, kind: "turn with one tool", one: 9, two: 13 }];
  const figures: Figure[] = [];
  for (const { text, kind, one, two } of rig.noSandbox ? plain : [...plain, ...tool]) {
    figures.push(
      {
        area: "SQL",
        what: `${kind}, one process`,
        unit: "statements",
        value: await count(rig, text, 1),
        bar: { at_most: one },
      },
      {
        area: "SQL",
        what: `${kind}, read by a second process`,
        unit: "statements",
        value: await count(rig, text, 2),
        bar: { at_most: two },
      },
    );
  }
  return figures;
}

const turns = 41;

/** The message goes to the first of the servers, the stream is open at the last. */
async function count(rig: Rig, text: string, processes: 1 | 2): Promise<number> {
  const servers = await Promise.all(Array.from({ length: processes }, () => rig.inProcess()));
  const total = () => servers.reduce((sum, server) => sum + server.statementCount(), 0);
  const [first] = servers;
  const last = servers.at(-1);
  if (!first || !last) return Number.NaN;
  const session = await rig.newSession(first.client);
  const stream = await last.client.stream(session);
  const counts: number[] = [];
  for (let i = 0; i < turns; i += 1) {
    const before = total();
    await turn(first.client, stream, session, text);
    await settled(total);
    counts.push(total() - before);
  }
  stream.close();
  await Promise.all(servers.map((server) => server.close()));
  return median(counts.slice(5));
}

/** A claim that finds nothing may still be on its way when the client has the last event. */
async function settled(total: () => number): Promise<void> {
  for (let seen = -1; seen !== total(); ) {
    seen = total();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
