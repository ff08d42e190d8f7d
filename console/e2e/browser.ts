import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { testKey } from "../../test/harness/headers.ts";

/** Debian's Chromium, looking at a real server's console. */

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path));

/** Why there is nothing to be shown here, or false. */
export const noBrowser: string | false =
  executablePath === undefined ? "Chromium is not installed: apt-get install chromium" : false;

assert.ok(
  existsSync(join(import.meta.dirname, "../dist/index.html")),
  "the console is not built: run scripts/console",
);

export const wide = { width: 1280, height: 800 };
export const narrow = { width: 390, height: 800 };

export const openBrowser = (...args: string[]): Promise<Browser> =>
  // Its own sandbox cannot be had by root.
  chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox", ...args] });

export interface Look {
  page: Page;
  /** What went wrong in the page: errors of scripts, and what the security policy has refused. */
  troubles: string[];
}

/** A new window with cookies of its own, not signed in. */
export async function openWindow(
  browser: Browser,
  options: { viewport?: typeof wide; colorScheme?: "light" | "dark" } = {},
): Promise<Look> {
  const context = await browser.newContext({ viewport: wide, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      troubles.push(message.text());
  });
  page.on("dialog", (dialog) => {
    troubles.push(`a dialog said ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, troubles };
}

export async function signIn(page: Page, url: string, path = ""): Promise<void> {
  await page.goto(`${url}/console/${path}`);
  await page.getByLabel("API key").fill(testKey);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Drover" }).waitFor();
}

/** A window that has signed in and shows this page. */
export async function look(
  browser: Browser,
  url: string,
  path: string,
  options: Parameters<typeof openWindow>[1] = {},
): Promise<Look> {
  const opened = await openWindow(browser, options);
  await signIn(opened.page, url, path);
  return opened;
}

export const composer = (page: Page) => page.getByLabel("Message to the agent");

export async function say(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

/** What the transcript says, as a person reads it. */
export const transcript = (page: Page) => page.getByRole("log", { name: "Transcript" });

/** How much wider than its window the page is, in pixels. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
