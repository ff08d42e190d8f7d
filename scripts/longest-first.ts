/** Those that take longest, each half a minute and more by itself: one that begins last would run on alone. */
export const longest: readonly string[] = [
  "src/cli/doctor.test.ts",
  "test/crash.test.ts",
  "test/stream.test.ts",
  "test/prefix.test.ts",
  "test/run.test.ts",
  "test/failpoints.test.ts",
  "test/roles.test.ts",
  "test/conformance/conformance.test.ts",
  "test/up.test.ts",
  "test/canary/canary.test.ts",
  "test/chaos/chaos.test.ts",
  "test/fleet.test.ts",
  "src/hands/checkpoints/checkpoints.test.ts",
  "src/tools/web/reader.test.ts",
  "test/escapes/escapes.test.ts",
  "test/repositories.test.ts",
  "test/fork.test.ts",
];

/** The others keep their order. */
export function longestFirst(files: readonly string[]): string[] {
  const rank = (file: string) => (longest.includes(file) ? longest.indexOf(file) : longest.length);
  return files.toSorted((a, b) => rank(a) - rank(b));
}
