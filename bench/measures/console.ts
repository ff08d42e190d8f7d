import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { builtConsole } from "../../src/api/console/files.ts";
import { noChromium, type Page, startChromium } from "../chromium.ts";
import type { Figure } from "../figure.ts";
import type { Rig, ServeProcess } from "../rig.ts";
import { median } from "../stats.ts";
import { turn } from "./turn.ts";
import { copyLog, play } from "./wake.ts";

const loads = 7;
const turnsStreamed = 100;
const many = 10_000;
const waits_ms_max = 60_000;

/** Before anything of the page's own: when the newest event is shown and a message can be written, and what is slow. */
const watch = `
window.drover = { shown: null, tasks: [] };
new PerformanceObserver((list) => window.drover.tasks.push(...list.getEntries().map((task) => task.startTime + task.duration)))
  .observe({ type: "longtask", buffered: true });
const look = () => {
  const log = document.querySelector("[role=log]");
  const field = document.querySelector("[aria-label='Message to the agent']");
  if (field && !field.disabled && log && log.textContent.includes("hi")) window.drover.shown = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);`;

/**
 * The session page of the console in Chromium. It is interactive when its newest event is shown, a message can be written,
 * and no task of more than 50 ms keeps it from taking one.
 */
export async function consolePage(rig: Rig): Promise<Figure[]> {
  if (noChromium !== null || !existsSync(join(builtConsole, "index.html"))) {
    process.stderr.write(`without the console: ${noChromium ?? "it is not built: npm run console"}\n`);
    return [];
  }
  const server = await rig.serve();
  const browser = await startChromium();
  try {
    const long = await play(rig, server.client, many);
    const short = await rig.newSession(server.client);
    await copyLog(rig, long, short, 200);
    const page = await signedIn(await browser.page(), rig, server);
    const cold = await interactive(page, server, short, { cached: false });
    const warm = await interactive(page, server, short, { cached: true });
    const afterMany = await interactive(page, server, long, { cached: true });
    await page.close();

    const read = await signedIn(await browser.page(), rig, server);
    const opened = await spent(read, async () => {
      await open(read, server, long);
      // The rest of the log comes after what is in sight.
      await pause(3_000);
    });
    const heap = await heapOf(read);
    const scrolled = await spent(read, () => scroll(read));
    const streamed = await spent(read, () => stream(server, long));
    const heapAfter = await heapOf(read);
    await read.close();

    const about = { area: "console", unit: "ms" } as const;
    const with10k = `${many.toLocaleString("en")} events`;
    return [
      {
        ...about,
        what: "session page, nothing cached: interactive, p50",
        value: cold,
        bar: { at_most: 1_000 },
      },
      {
        ...about,
        what: "session page, files cached: interactive, p50",
        value: warm,
        bar: { at_most: 1_000 },
      },
      { ...about, what: `${with10k}: interactive, p50`, value: afterMany },
      { ...about, what: `${with10k}, opened: scripting`, value: opened.script_ms },
      { ...about, what: `${with10k}, opened: longest task`, value: opened.longest_ms },
      { ...about, unit: "MB", what: `${with10k}, opened: JS heap`, value: heap },
      {
        ...about,
        what: `${with10k}, scrolled through: scripting per second`,
        value: scrolled.script_ms_per_s,
      },
      { ...about, what: `${with10k}, scrolled through: longest task`, value: scrolled.longest_ms },
      {
        ...about,
        what: `${with10k}, ${turnsStreamed} turns streamed: scripting per turn`,
        value: streamed.script_ms / turnsStreamed,
      },
      {
        ...about,
        what: `${with10k}, ${turnsStreamed} turns streamed: longest task`,
        value: streamed.longest_ms,
      },
      {
        ...about,
        unit: "MB",
        what: `${with10k}, ${turnsStreamed} turns streamed: JS heap`,
        value: heapAfter,
      },
    ];
  } finally {
    await browser.close();
    await server.close();
  }
}

async function signedIn(page: Page, rig: Rig, { url }: ServeProcess): Promise<Page> {
  const answer = await fetch(`${url}/console/session`, {
    method: "POST",
    headers: { "x-api-key": rig.apiKey },
  });
  const [name = "", value = ""] = answer.headers.get("set-cookie")?.split(";")[0]?.split("=") ?? [];
  await page.send("Network.enable");
  await page.send("Performance.enable");
  await page.send("Page.enable");
  await page.send("Network.setCookie", { name, value, url, httpOnly: true, sameSite: "Strict" });
  await page.send("Page.addScriptToEvaluateOnNewDocument", { source: watch });
  return page;
}

async function open(page: Page, { url }: ServeProcess, session: string): Promise<void> {
  await page.send("Page.navigate", { url: `${url}/console/sessions/${session}` });
  for (const deadline = Date.now() + waits_ms_max; ; await pause(50)) {
    if ((await page.evaluate<number | null>("window.drover?.shown ?? null")) !== null) return;
    if (Date.now() > deadline) throw new Error("the console does not show the session");
  }
}

/** From the navigation on; the median of some loads. */
async function interactive(
  page: Page,
  server: ServeProcess,
  session: string,
  { cached }: { cached: boolean },
): Promise<number> {
  await page.send("Network.setCacheDisabled", { cacheDisabled: !cached });
  const took: number[] = [];
  for (let i = 0; i <= loads; i += 1) {
    await page.send("Page.navigate", { url: "about:blank" });
    await pause(200);
    await open(page, server, session);
    // What still keeps it from answering comes right after.
    await pause(500);
    const at = await page.evaluate<number>("Math.max(window.drover.shown, ...window.drover.tasks)");
    if (i > 0) took.push(at);
  }
  return median(took);
}

async function spent(page: Page, run: () => Promise<void>) {
  const scripting_s = async () => {
    const { metrics } = await page.send<{ metrics: { name: string; value: number }[] }>(
      "Performance.getMetrics",
    );
    return metrics.find(({ name }) => name === "ScriptDuration")?.value ?? Number.NaN;
  };
  const before = await scripting_s();
  const start = performance.now();
  const tasks = await page.tasks(run);
  const seconds = (performance.now() - start) / 1_000;
  const script_ms = ((await scripting_s()) - before) * 1_000;
  return { script_ms, script_ms_per_s: script_ms / seconds, longest_ms: Math.max(0, ...tasks) };
}

/** What is held, in MB. */
async function heapOf(page: Page): Promise<number> {
  await page.send("HeapProfiler.collectGarbage");
  const { usedSize } = await page.send<{ usedSize: number }>("Runtime.getHeapUsage");
  return usedSize / 1e6;
}

/** From the end to the beginning and back, as fast as a wheel that is turned all the time. */
const scroll = (page: Page) =>
  page.evaluate<void>(`new Promise((resolve) => {
  const log = document.querySelector("[role=log]");
  let frames = 0;
  const step = () => {
    frames += 1;
    log.scrollTop += frames < 300 ? -400 : 400;
    if (frames < 600) requestAnimationFrame(step); else resolve();
  };
  log.scrollTop = log.scrollHeight;
  requestAnimationFrame(step);
})`);

async function stream({ client }: ServeProcess, session: string): Promise<void> {
  const events = await client.stream(session);
  for (let i = 0; i < turnsStreamed; i += 1) await turn(client, events, session, "say hi");
  events.close();
  await pause(500);
}
