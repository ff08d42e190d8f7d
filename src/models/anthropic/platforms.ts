import { createRequire } from "node:module";
import { api_version, itself, type Platform } from "./client.ts";

/** Microsoft Foundry. */
export const foundry: Platform = {
  credentials: async (apiKey) => ({ "x-api-key": apiKey }),
  adapt: itself.adapt,
};

const load = createRequire(import.meta.url);

/**
 * Google Vertex AI names the model in the address. Without a key of its own it takes the machine's credentials: those that
 * GOOGLE_APPLICATION_CREDENTIALS names, or the ones that Google Cloud gives a machine.
 */
export function vertex({ project, region }: { project: string; region: string }): Platform {
  // Large, and of no use to any other platform.
  const { GoogleAuth } = load("google-auth-library") as typeof import("google-auth-library");
  const auth = new GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
  return {
    async credentials(apiKey) {
      if (apiKey !== "") return itself.credentials(apiKey);
      return Object.fromEntries(await auth.getRequestHeaders());
    },
    adapt(url, body) {
      const { model, ...rest } = JSON.parse(body) as { model: string; stream?: boolean };
      const [, base, counts] = /^(.*)\/v1\/messages(\/count_tokens)?(?:\?.*)?$/s.exec(url) ?? [];
      const models = `${base}/projects/${project}/locations/${region}/publishers/anthropic/models`;
      const sent = { ...rest, anthropic_version: api_version };
      if (counts)
        return { url: `${models}/count-tokens:rawPredict`, body: JSON.stringify({ model, ...sent }) };
      const name = encodeURIComponent(model).replaceAll("%40", "@");
      const way = rest.stream ? "streamRawPredict" : "rawPredict";
      return { url: `${models}/${name}:${way}`, body: JSON.stringify(sent) };
    },
  };
}
