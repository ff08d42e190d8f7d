/**
 * What is known of models by their id, from the vendor's public pages. A model that is not known is taken for a new one,
 * which can do what its kind could last.
 */

export interface Generation {
  family: string;
  /** 4.8 is 408. */
  number: number;
}

export function generationOf(modelId: string): Generation | null {
  const [, family, major, minor = "0"] =
    /^claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?(?!\d)/.exec(bare(modelId)) ?? [];
  return family && major ? { family, number: Number(major) * 100 + Number(minor) } : null;
}

/** Whoever serves it: `anthropic/claude-...`, `bedrock/eu.anthropic.claude-...`. */
const bare = (modelId: string) => modelId.replace(/^.*[/.](?=claude-)/, "");

/** Whether system text may stand within the conversation. */
export function takesSystemMessages(modelId: string): boolean {
  if (/^claude-\d/.test(bare(modelId))) return false;
  const generation = generationOf(modelId);
  if (!generation) return true;
  const since: Record<string, number> = { opus: 408, sonnet: 500, haiku: 505 };
  return generation.number >= (since[generation.family] ?? 0);
}

/** In tokens; a model that is not known is taken for a small one. */
export function contextWindow(modelId: string): number {
  const known = windows.find(([name]) => name.test(modelId))?.[1];
  if (known !== undefined) return known;
  const generation = generationOf(modelId);
  const since: Record<string, number> = { opus: 406, sonnet: 406, fable: 500 };
  const wide =
    generation !== null && generation.number >= (since[generation.family] ?? Number.POSITIVE_INFINITY);
  return wide ? 1_000_000 : 200_000;
}

/** Of GPT-5 what is left for input. */
const windows: [RegExp, number][] = [
  [/^simulated(\/|$)/, 1_000_000_000],
  [/(^|\/)gpt-5/, 272_000],
  [/(^|\/)gpt-4\.1/, 1_000_000],
  [/(^|\/)gpt-4/, 128_000],
  [/(^|\/)gemini-/, 1_000_000],
  [/(^|\/)((mi|mini|magi|dev|code)stral|pixtral)/, 128_000],
];
