import { limits } from "../limits.ts";
import { ApiError } from "../protocol/errors.ts";

/** Repeats a change made from what was read, while others change it in between: `attempt` is undefined when they did. */
export async function untilFirst<Changed>(
  what: string,
  attempt: () => Promise<Changed | undefined>,
): Promise<Changed> {
  for (let n = 0; n < limits.update_attempts_max; n += 1) {
    const changed = await attempt();
    if (changed !== undefined) return changed;
  }
  throw new ApiError("conflict_error", `${what} is being changed by others all the time; try again`);
}
