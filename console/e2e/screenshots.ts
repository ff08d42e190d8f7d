import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startTestServer } from "../../test/harness/server.ts";
import { look, narrow, openBrowser, wide } from "./browser.ts";
import { furnish, pagesOf } from "./furnish.ts";

/** Writes a picture of every page, as wide windows and narrow ones show it: `docs/console/`, or the folder that is named. */
const folder = process.argv[2] ?? join(import.meta.dirname, "../../docs/console");
mkdirSync(folder, { recursive: true });
const api = await startTestServer();
const browser = await openBrowser();
const furnished = await furnish(api.client);
for (const [suffix, options] of Object.entries({
  "": { viewport: wide, colorScheme: "light" },
  "-narrow-dark": { viewport: narrow, colorScheme: "dark" },
} as const)) {
  const { page } = await look(browser, api.url, "", options);
  for (const { name, path, shows } of pagesOf(furnished)) {
    await page.goto(`${api.url}/console/${path}`);
    await page.getByText(shows).first().waitFor();
    // What is drawn after the data have come.
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(folder, `${name}${suffix}.png`) });
    process.stdout.write(`${name}${suffix}\n`);
  }
}
await browser.close();
await api.close();
