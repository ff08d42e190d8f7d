import { homedir } from "node:os";

/** A user id without a name, as in many containers, has none. */
export function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}
