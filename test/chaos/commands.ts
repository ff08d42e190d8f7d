import type { EventOf } from "../harness/session.ts";
import type { Evidence } from "./checker.ts";
import type { Workspace } from "./workspaces.ts";

/** A command that appends its own word to a file, and beside it what no other run of it has. */
export const commandFor = (word: number, file: string): string =>
  `echo word-${word}. $(cat /proc/sys/kernel/random/uuid) >> ${file}`;

const wordIn = /word-\d+\./;

/**
 * One time that a command ran. Copies of what it wrote are in the workspaces that were made from a checkpoint of its own, and
 * so are younger than that.
 */
interface Run {
  line: string;
  word: string;
  /** Of the workspace that it ran in. */
  generation: number;
}

function runsIn(workspaces: readonly Workspace[]): Run[] {
  const runs = new Map<string, Run>();
  for (const { generation, lines } of workspaces)
    for (const line of lines)
      if (!runs.has(line)) runs.set(line, { line, word: line.split(" ", 1).join(), generation });
  return [...runs.values()];
}

export const commandsRun = (workspaces: readonly Workspace[]): number => runsIn(workspaces).length;

interface Asked {
  calls: number;
  denied: number;
  /** Places in the list of the results that say that it ran. */
  succeeded: number[];
}

/** What the list says of each word. */
function askedIn({ list }: Pick<Evidence, "list">): Map<string, Asked> {
  const results = new Map<string, { place: number; event: EventOf<"agent.tool_result"> }>();
  const denied = new Set<string>();
  for (const [place, event] of list.entries()) {
    if (event.type === "agent.tool_result") results.set(event.tool_use_id, { place, event });
    if (event.type === "user.tool_confirmation" && event.result === "deny") denied.add(event.tool_use_id);
  }
  const words = new Map<string, Asked>();
  for (const event of list) {
    if (event.type !== "agent.tool_use") continue;
    const [word] = wordIn.exec(JSON.stringify(event.input)) ?? [];
    if (word === undefined) continue;
    const asked = words.get(word) ?? { calls: 0, denied: 0, succeeded: [] };
    const result = results.get(event.id);
    asked.calls += 1;
    if (denied.has(event.id)) asked.denied += 1;
    if (result?.event.is_error === false) asked.succeeded.push(result.place);
    words.set(word, asked);
  }
  return words;
}

/** No command ran twice, on whatever hosts; those that succeeded ran, and those that were denied did not. */
export function ofCommands(evidence: Evidence): string[] {
  const problems: string[] = [];
  const words = askedIn(evidence);
  const runs = Map.groupBy(runsIn(evidence.workspaces), ({ word }) => word);
  for (const [word, { length: ran }] of runs) {
    const asked = words.get(word);
    if (!asked) problems.push(`${word} ran, and no call in the list asked for it`);
    else if (ran > asked.calls - asked.denied)
      problems.push(`${word} ran ${ran} times for ${asked.calls} calls, ${asked.denied} of them denied`);
  }
  for (const [word, { succeeded }] of words) {
    const ran = runs.get(word)?.length ?? 0;
    if (ran < succeeded.length)
      problems.push(`${word} ran ${ran} times and has ${succeeded.length} results that say so`);
  }
  return problems;
}

const restored = "[The sandbox of earlier calls is gone";
const incomplete = /is not in it|is lost\b|not as before/;

/** The text by which a result tells that its workspace was brought back. */
export function restoreTold(event: Evidence["list"][number]): string | null {
  if (event.type !== "agent.tool_result") return null;
  const told = event.content?.find((block) => block.type === "text" && block.text.startsWith(restored));
  return told?.type === "text" ? told.text : null;
}

/**
 * Where a session goes on in another workspace than before, a result tells so at once, and also if anything is not there
 * that earlier calls have made.
 */
export function ofRestores({ list, workspaces }: Evidence): string[] {
  const problems: string[] = [];
  const words = askedIn({ list });
  const succeeded = runsIn(workspaces).flatMap((run) => {
    const asked = words.get(run.word);
    const [place] = asked?.succeeded ?? [];
    return asked?.calls === 1 && place !== undefined ? [{ ...run, place }] : [];
  });
  for (const generation of new Set(succeeded.map((run) => run.generation))) {
    const earlier = succeeded.filter((run) => run.generation < generation);
    const own = succeeded.filter((run) => run.generation === generation);
    if (earlier.length === 0) continue;
    const last = Math.max(...earlier.map(({ place }) => place));
    const first = Math.min(...own.map(({ place }) => place));
    const told = answersAround(list, last, first).flatMap((event) => restoreTold(event) ?? []);
    // What the last one lacked that a result came from was told with that result.
    const before = Math.max(...earlier.map((run) => run.generation));
    const [had, has] = [linesIn(workspaces, before), linesIn(workspaces, generation)];
    const missing = earlier.filter(({ line }) => had.has(line) && !has.has(line)).map(({ word }) => word);
    if (told.length === 0)
      problems.push(`nothing tells of its workspace ${generation}, which was brought back`);
    else if (missing.length > 0 && !told.some((text) => incomplete.test(text)))
      problems.push(`nothing tells that its workspace ${generation} lacks ${missing.join(" ")}`);
  }
  return problems;
}

const linesIn = (workspaces: readonly Workspace[], generation: number): Set<string> =>
  new Set(workspaces.flatMap((each) => (each.generation === generation ? each.lines : [])));

/** The part of a list with two results in it, and those of all calls that belong to the same answers as theirs. */
function answersAround(list: Evidence["list"], last: number, first: number): Evidence["list"] {
  const begins = list.flatMap(({ type }, place) => (type === "span.model_request_start" ? [place] : []));
  return list.slice(
    begins.findLast((place) => place < last),
    begins.find((place) => place > first),
  );
}
