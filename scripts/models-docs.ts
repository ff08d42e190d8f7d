import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { documentOf, record } from "../src/models/features.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";

/** Writes docs/MODELS.md and the recorded requests that the tests compare with. */
const root = join(import.meta.dirname, "..");
const recorded = [];
for (const wired of allWired) {
  const { body, features } = await record(wired);
  recorded.push({ name: wired.name, features });
  writeFileSync(join(root, `test/golden/models/${wired.name}.json`), `${JSON.stringify(body, null, 2)}\n`);
}
writeFileSync(join(root, "docs/MODELS.md"), documentOf(recorded));
