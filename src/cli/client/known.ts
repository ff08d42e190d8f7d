import type Anthropic from "@anthropic-ai/sdk";
import { readProfiles } from "./profile-file.ts";
import { placeOf } from "./server.ts";
import { skillsNamed } from "./skills.ts";

/** A shell waits for it at every tab. */
const patience_ms = 1_500;
const most = 50;

interface Found {
  id: string;
  name?: string | undefined;
}

/** By what arguments and options are called. */
const lists: Record<string, (client: Anthropic) => AsyncIterable<Found>> = {
  session: (client) => client.beta.sessions.list({ limit: most }),
  agent: (client) => client.beta.agents.list({ limit: most }),
  environment: (client) => client.beta.environments.list({ limit: most }),
  vault: async function* (client) {
    for await (const { id, display_name } of client.beta.vaults.list({ limit: most }))
      yield { id, name: display_name };
  },
  file: (client) => client.beta.files.list({ limit: most, betas: ["managed-agents-2026-04-01"] }),
  skill: skillsNamed,
};

/** Ids and names of what a server has newest; nothing where it does not say so at once. */
export async function knownOf(noun: string, words: readonly string[]): Promise<string[]> {
  try {
    if (noun === "profile") return Object.keys(readProfiles().profiles);
    const isPath = noun === "file" && words[0] !== "files";
    const list = isPath ? undefined : lists[noun];
    if (!list) return [];
    const baseUrl = givenTo("--base-url", words);
    const profile = givenTo("--profile", words);
    const place = await placeOf({ ...(baseUrl && { baseUrl }), ...(profile && { profile }) });
    const { connect } = await import("./connection.ts");
    const client = connect(place.url, place.api_key, { timeout: patience_ms, maxRetries: 0 });
    const found: string[] = noun === "session" ? ["last"] : [];
    let count = 0;
    for await (const { id, name } of list(client)) {
      found.push(id, ...(name ? [name] : []));
      count += 1;
      if (count === most) break;
    }
    return found;
  } catch {
    // Nobody has asked for anything: who presses a key wants no message.
    return [];
  }
}

const givenTo = (option: string, words: readonly string[]): string | undefined =>
  words.includes(option)
    ? words[words.indexOf(option) + 1]
    : words.find((word) => word.startsWith(`${option}=`))?.slice(option.length + 1);
