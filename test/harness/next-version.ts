import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readerVersion } from "../../src/log/entry.ts";
import { type Change, changedVersion, type Version } from "./changed-version.ts";

const reader = readerVersion + 1;

/** What the next version has that this one has not. */
const changes: Change[] = [
  ["src/log/entry.ts", `readerVersion = ${readerVersion};`, `readerVersion = ${reader};`],
  [
    "src/log/entry.ts",
    "  promoted: { reader: 1 };",
    `  promoted: { reader: 1 };\n  noted: { reader: ${reader}; seq: number };`,
  ],
  [
    "src/brain/fold.ts",
    '    case "context_exceeded":',
    '    case "noted":\n      return;\n    case "context_exceeded":',
  ],
  // A message with the word gets the new entry.
  [
    "src/brain/drafts.ts",
    "          ...unreachableDrafts(thread, action.event, pen),\n",
    `          ...unreachableDrafts(thread, action.event, pen),
          ...(JSON.stringify(action.event).includes("take note") ? [hidden("noted", { reader: ${reader}, seq: action.event.seq })] : []),
`,
  ],
];

const migration = `
alter table session_head add column noted boolean not null default false;
alter table event add column note text;
create table note (session_id text primary key, text text not null);
create index session_head_noted on session_head (workspace_id) where noted;
`;

/** A copy of this version with a new internal entry, a new version of the reader and a migration that adds. */
export function makeNextVersion(migrations: number): Version {
  const version = changedVersion(changes);
  const number = String(migrations + 1).padStart(6, "0");
  writeFileSync(join(version.folder, `src/db/sql/${number}_notes.sql`), migration);
  return version;
}
