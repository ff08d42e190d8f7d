/** What editors and version control leave in folders, and the server would take for a part of the skill. */
export const leftOut: ReadonlySet<string> = new Set([".git", ".DS_Store", "__MACOSX", "node_modules"]);
