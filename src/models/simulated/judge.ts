import { z } from "zod";
import type { ModelRequest } from "../model.ts";
import { type Act, type Step, scriptOf } from "./script.ts";

const askedAbout = z.object({ call: z.object({ input: z.record(z.string(), z.unknown()) }) });

/** What a stand-in for a judge takes for high-risk, and for doubtful: enough to see each verdict. */
const risky = /\brm\s+-\w*[rf]|\bmkfs\b|\bof=\/dev\/|\|\s*(ba)?sh\b/;
const doubtful = /\b(sudo|curl|wget|ssh|scp)\b|\bgit\s+push\b|(^|[\s"'>])\/(etc|usr|root|home)\//;

/**
 * The answer of the simulated model where it is a judge: what the call's own input orders after `# judge`, else what
 * its texts look like.
 */
export function judgeStepOf(request: ModelRequest): Step {
  const block = request.messages.at(-1)?.content.at(-1);
  const { input } = askedAbout.parse(JSON.parse(block?.type === "text" ? block.text : "")).call;
  const texts = Object.values(input).filter((value) => typeof value === "string");
  const orders = texts.flatMap((text) =>
    [...text.matchAll(/# judge ([^#\n]+)/g)].map(([, order = ""]) => order),
  );
  const acts = orders.flatMap((order): Act[] => verdictNamed(order.trim()) ?? scriptOf([order])[0] ?? []);
  return acts.some((act) => act.do === "say") ? acts : [...acts, sayVerdict(verdictOn(texts))];
}

const verdicts = ["allow", "deny", "ask"];

const sayVerdict = (verdict: string): Act => ({ do: "say", text: JSON.stringify({ verdict }) });

const verdictNamed = (order: string): Act[] | null => (verdicts.includes(order) ? [sayVerdict(order)] : null);

function verdictOn(texts: string[]): string {
  if (texts.some((text) => risky.test(text))) return "deny";
  return texts.some((text) => doubtful.test(text)) ? "ask" : "allow";
}
