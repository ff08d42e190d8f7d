import { invalid, notFound } from "../protocol/errors.ts";

export const managedAgentsBeta = "managed-agents-2026-04-01";

const apiVersions = ["2023-06-01", "2026-10-21"];

/** A request need not name a version; one we do not know could mean anything. */
export function checkApiVersion(headers: Headers): void {
  const version = headers.get("anthropic-version");
  if (version && !apiVersions.includes(version)) {
    throw invalid(`anthropic-version: "${version.slice(0, 100)}" is not one of ${apiVersions.join(", ")}`);
  }
}

/** Without its beta header a route does not exist. */
export function checkBeta(headers: Headers, beta: string): void {
  if (!namesBeta(headers, beta)) {
    throw notFound(`not found; this endpoint is in beta and needs the header anthropic-beta: ${beta}`);
  }
}

export const namesBeta = (headers: Headers, beta: string): boolean =>
  (headers.get("anthropic-beta") ?? "").split(",").some((entry) => entry.trim() === beta);
