/**
 * What a case has the model do. The message that a case sends is the script of the model that answers it, so the same
 * lines work with Drover's simulated model and with the stand-in.
 */

/** Says it. */
export const says = (text: string) => `say ${text}`;

/** Thinks it, which no client may see. */
export const thinks = (text: string) => `think ${text}`;

/** Calls a tool. Calls without a `next` between them are parallel. */
export const calls = (tool: string, input: object = {}) => `call ${tool} ${JSON.stringify(input)}`;

export const bash = (command: string) => calls("bash", { command });

/** The next answer, once the results of the calls above are there. */
export const next = "then";

/** Says what the tools have answered, or else what the user wrote beside the script, and the system message with it. */
export const echoes = "echo";

/** Never goes on; only an interrupt ends it. */
export const hangs = "hang";

/** Leaves time for something to happen in the middle of the answer. */
export const pauses = (ms: number) => `wait ${ms}ms`;

/** The first requests for this answer fail with an overloaded provider. */
export const isOverloaded = (times: number) => `fail overloaded ${times}`;

export const refuses = (category: string) => `refuse ${category}`;

/** What the answer is said to have cost, in tokens. */
export const costs = (tokens: { in?: number; out?: number; cache_read?: number; cache_5m?: number }) =>
  `usage ${Object.entries(tokens)
    .map(([name, count]) => `${name}=${count}`)
    .join(" ")}`;
