import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Finding {
  id: string;
  impact: string;
  nodes: { html: string }[];
}

/** What every page is to have, though axe takes it lightly. */
const wanted = new Set(["page-has-heading-one", "landmark-one-main"]);

/** What axe finds that is serious or worse; what is pressed is to be large enough, too. */
export async function findings(page: Page): Promise<string[]> {
  // The page's own policy lets nobody add a script; this one comes from outside of it.
  await page.evaluate(axe);
  const violations = await page.evaluate<Finding[]>(
    `axe.run({ rules: { "target-size": { enabled: true } } }).then(({ violations }) => violations)`,
  );
  return violations
    .filter(({ id, impact }) => impact === "serious" || impact === "critical" || wanted.has(id))
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ html }) => html)
          .join(" ")
          .slice(0, 500)}`,
    );
}
