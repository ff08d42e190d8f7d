import { setTimeout as pause } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { APIError } from "@anthropic-ai/sdk";
import { type Command, InvalidArgumentError, Option } from "commander";
import { cut, displayWidth } from "../display-width.ts";
import { canRedraw, jsonText } from "../terminal.ts";
import { withJson, withServer } from "./at-server.ts";
import { type Cell, cellsLine, table } from "./table.ts";

export interface ListOptions {
  limit: number;
  all?: boolean;
  json?: boolean;
}

/** The options of a list: which server, how many, and in which form. */
export const withList = (command: Command): Command =>
  withJson(withServer(command), "print an array of JSON")
    .option("--limit <n>", "how many at most", howMany, 20)
    .addOption(new Option("--all", "print all of them").conflicts("limit"));

/** Of a list's items as many as are asked for, and whether there are more. Pages are as large as the API has them. */
export async function take<Item>(
  items: AsyncIterable<Item>,
  { limit, all }: ListOptions,
): Promise<{ items: Item[]; more: boolean }> {
  const taken: Item[] = [];
  for await (const item of items) {
    if (!all && taken.length === limit) return { items: taken, more: true };
    taken.push(item);
  }
  return { items: taken, more: false };
}

/** How large a page to ask for, at most `max`: one more than is shown says whether that is all. */
export const pageSize = ({ limit, all }: ListOptions, max = 100): number =>
  all ? max : Math.min(max, limit + 1);

export interface Columns<Item> {
  head: string[];
  row(item: Item): Cell[];
  /** Said where there is none. */
  none: string;
}

/** Prints a list, and to stderr what else there is to know of it. */
export async function printList<Item>(
  source: AsyncIterable<Item>,
  options: ListOptions,
  { head, row, none }: Columns<Item>,
): Promise<void> {
  const { items, more } = await take(source, options);
  if (options.json) process.stdout.write(`${jsonText(items, 2)}\n`);
  else if (items.length === 0) process.stderr.write(`${none}\n`);
  else process.stdout.write(table(head, items.map(row), process.stdout));
  if (more) process.stderr.write(`there are more: --limit ${options.limit * 5}, or --all\n`);
}

export interface Watched<Item> {
  read(): Promise<Item[]>;
  /** All of it, for a terminal. */
  draw(items: Item[]): string;
  /** One that has changed, for anything else. */
  line(item: Item): string;
}

/** How often a server is asked for what is watched. */
const watch_ms = 2_000;
/** How long a server that was there is waited for. */
const patience_ms = 60_000;

/** Shows things as they change, until Ctrl-C: drawn anew on a terminal, else a line for each change. */
export async function watchItems<Item extends { id: string }>(
  { read, draw, line }: Watched<Item>,
  { json }: { json?: boolean | undefined },
): Promise<never> {
  const { stdout: out } = process;
  const shown = new Map<string, string>();
  const screen = canRedraw(out) && !json ? redrawn(out) : null;
  for (let isFirst = true; ; isFirst = false) {
    const items = await (isFirst ? read() : untilRead(read));
    if (screen) screen.show(() => draw(items));
    else {
      for (const item of items) {
        const text = jsonText(item);
        if (shown.get(item.id) === text) continue;
        shown.set(item.id, text);
        out.write(`${json ? text : line(item)}\n`);
      }
    }
    await pause(watch_ms);
  }
}

/** Shows a list as it changes. */
export const watchList = <Item extends { id: string }>(
  all: () => AsyncIterable<Item>,
  options: ListOptions,
  { head, row }: Columns<Item>,
): Promise<never> =>
  watchItems(
    {
      read: async () => (await take(all(), options)).items,
      draw: (items) => table(head, items.map(row), process.stdout),
      line: (item) => cellsLine(row(item)),
    },
    options,
  );

/** Draws in the place of what it has drawn before, and again whenever the terminal is another. */
function redrawn(out: typeof process.stdout): { show(draw: () => string): void } {
  /** How wide each line is that stands there. */
  let widths: number[] = [];
  let latest = () => "";
  const redraw = () => {
    const columns = out.columns || 80;
    // Where a terminal has become narrower its lines have gone on in the next row.
    const rows = widths.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    const lines = withinRows(latest().trimEnd().split("\n"), out.rows || 24).map((line) =>
      inOneRow(line, columns),
    );
    // Cleared before it is written: at the end of a full row the last letter would be.
    const up = rows > 0 ? `\u001b[${rows}A\r` : "";
    out.write(`${up}${lines.map((line) => `\u001b[K${line}\n`).join("")}\u001b[J`);
    widths = lines.map((line) => displayWidth(stripVTControlCharacters(line)));
  };
  out.on("resize", redraw);
  process.on("SIGCONT", () => {
    // A shell has written there meanwhile.
    widths = [];
    redraw();
  });
  return {
    show(draw) {
      latest = draw;
      redraw();
    },
  };
}

/** What has left the screen at its top cannot be drawn anew. */
const withinRows = (lines: string[], rows: number): string[] =>
  lines.length < rows
    ? lines
    : [...lines.slice(0, Math.max(0, rows - 2)), `... ${lines.length - rows + 2} more`];

/** A line that went on in the next row would be counted as one. */
function inOneRow(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return displayWidth(plain) <= columns ? line : cut(plain, columns);
}

/** A server that was there is waited for when it starts anew. */
async function untilRead<Items>(read: () => Promise<Items>): Promise<Items> {
  const until = Date.now() + patience_ms;
  for (;;) {
    try {
      return await read();
    } catch (error) {
      const isPassing = error instanceof APIError && (error.status === undefined || error.status >= 500);
      if (!isPassing || Date.now() > until) throw error;
    }
    await pause(watch_ms);
  }
}

export function howMany(text: string): number {
  const n = Number(text);
  if (/^\d{1,6}$/.test(text) && n >= 1) return n;
  throw new InvalidArgumentError("It must be a whole number from 1 to 999999.");
}

/** Of a path that the SDK does not know, all items of all pages. */
export async function* pagesOf<Item>(
  get: (query: { page?: string }) => Promise<{ data: Item[]; next_page: string | null }>,
): AsyncGenerator<Item> {
  let query: { page?: string } = {};
  for (;;) {
    const { data, next_page } = await get(query);
    yield* data;
    if (next_page === null) return;
    query = { page: next_page };
  }
}
