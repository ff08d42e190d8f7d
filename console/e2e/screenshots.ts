import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startFakeAnthropic } from "../../test/fakes/anthropic.ts";
import { freePort } from "../../test/harness/free-port.ts";
import { startProcesses } from "../../test/harness/processes.ts";
import { look, narrow, noBrowser, openBrowser, wide } from "./browser.ts";
import { pictures, playScene, provider } from "./scene.ts";

/** Writes a picture of every page into `docs/console/`, or the folder that is named, some of them dark or narrow too. */
const folder =
  process.argv[2] === undefined ? join(import.meta.dirname, "../../docs/console") : resolve(process.argv[2]);
if (noBrowser) {
  process.stderr.write(`${noBrowser}\n`);
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) if (name.endsWith(".png")) rmSync(join(folder, name));

const looks = [
  { suffix: "", said: "", only: null, options: { viewport: wide, colorScheme: "light" } },
  {
    suffix: "-dark",
    said: "dark",
    only: ["home", "session", "timeline", "usage"],
    options: { viewport: wide, colorScheme: "dark" },
  },
  {
    suffix: "-narrow",
    said: "narrow",
    only: ["home", "session", "approval", "threads", "new-session", "agents", "skill", "usage"],
    options: { viewport: narrow, colorScheme: "light" },
  },
  {
    suffix: "-narrow-dark",
    said: "narrow and dark",
    only: ["home", "session"],
    options: { viewport: narrow, colorScheme: "dark" },
  },
] as const;

const upstream = await startFakeAnthropic(provider);
const processes = await startProcesses({ anthropic_url: upstream.url });
const browser = await openBrowser();
try {
  await processes.egress();
  await processes.hands();
  const api = await processes.serve(await freePort());
  const all = pictures(await playScene({ client: api.client, db: processes.db }));
  for (const { suffix, only, options } of looks) {
    const { page } = await look(browser, api.url, "", options);
    for (const { name, path, shows } of all) {
      if (only !== null && !(only as readonly string[]).includes(name)) continue;
      await page.goto(`${api.url}/console/${path}`);
      await page.getByText(shows).filter({ visible: true }).first().waitFor();
      // What is drawn after the data have come.
      await page.waitForTimeout(700);
      await page.screenshot({ path: join(folder, `${name}${suffix}.png`) });
      process.stdout.write(`${name}${suffix}\n`);
    }
    await page.context().close();
  }
  const section = ({ name, says }: (typeof all)[number]) => {
    const others = looks.filter(({ only }) => (only as readonly string[] | null)?.includes(name));
    const links = others.map(({ suffix, said }) => `[${said}](${name}${suffix}.png)`);
    const also = links.length === 0 ? "" : ` Also ${links.join(", ")}.`;
    return `## ${name.replaceAll("-", " ")}\n\n${says}${also}\n\n![${name}](${name}.png)\n`;
  };
  writeFileSync(
    join(folder, "README.md"),
    `# The console in pictures

\`npm run console -- --pictures\` builds the console and writes this page and its pictures anew, with Debian's Chromium, from a
real server with a stand-in for the model provider (\`console/e2e/scene.ts\`). At widths of 1280 and 390 pixels.

${all.map(section).join("\n")}`,
  );
} finally {
  await browser.close();
  await processes.close();
  await upstream.close();
}
