import { Problem } from "./request.ts";

/**
 * A part of the console that is loaded when it is wanted. Where it does not come because another console has taken the place of
 * this one, the router loads that anew; it must not where nobody answers, for the browser would show its own page instead.
 */
export const loaded = <Part>(part: Promise<Part>): Promise<Part> =>
  part.catch(async (error: unknown) => {
    const answers = await fetch("/console/", { method: "HEAD", cache: "no-store" }).then(
      ({ ok }) => ok,
      () => false,
    );
    throw answers ? error : new Problem(0, "connection_error", "The server cannot be reached.", null);
  });
