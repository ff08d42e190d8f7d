import { ConfigError, readConfig } from "../config.ts";

/** Who the settings are read as. */
export const root = { uid: 0, home: "/root" };

/** What is wrong with these settings, a line each. */
export function problemsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    readConfig(env, root);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
