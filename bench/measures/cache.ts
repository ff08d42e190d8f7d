import { createHash } from "node:crypto";
import { modelsConfig } from "../../src/config/models.ts";
import { createModels } from "../../src/models/registry.ts";
import { answerReply, type FakeBlock, startFakeAnthropic } from "../../test/fakes/anthropic.ts";
import type { Figure } from "../figure.ts";
import type { Rig } from "../rig.ts";

/** How much of what a task sends to its model a prompt cache can hold: by the bytes of the requests as they arrive. */
export async function cache(rig: Rig): Promise<Figure[]> {
  if (rig.noSandbox) return [];
  const figures: Figure[] = [];
  for (const [what, compactsAt] of [
    [`${steps} steps`, null],
    [`${steps} steps, summed up in the middle`, steps / 2],
  ] as const) {
    const { held, found } = sharesOf(await bodiesOf(rig, compactsAt));
    const about = { area: "cache", unit: "%" } as const;
    figures.push(
      { ...about, what: `${what}: input as in the request before`, value: 100 * held },
      { ...about, what: `${what}: found by the marks for Anthropic`, value: 100 * found },
    );
  }
  return figures;
}

const steps = 50;
/** More than a summary waits for, in tokens, of the model's million. */
const full = 900_000;

/** The bodies that an agent's task sends; each tenth step makes many calls at once. */
async function bodiesOf(rig: Rig, compactsAt: number | null): Promise<Body[]> {
  let step = 0;
  const fake = await startFakeAnthropic(({ text }) => {
    if (text.includes("is about to outgrow your context"))
      return answerReply({ blocks: [{ type: "text", text: ["Notes. ".repeat(500)] }] });
    step += 1;
    if (step > steps) return answerReply({ blocks: [{ type: "text", text: ["Done."] }] });
    const calls = Array.from({ length: step % 10 === 0 ? 25 : 2 }, (_, i): FakeBlock => {
      const command = `seq -s ' ' ${step * 100} ${step * 100 + 300}`;
      return {
        type: "tool_use",
        id: `toolu_${step}_${i}`,
        name: "bash",
        json: [JSON.stringify({ command })],
      };
    });
    const thinking: FakeBlock = { type: "thinking", thinking: ["Next, ", "this."], signature: "c2ln" };
    const input_tokens = step === compactsAt ? full : 10;
    return answerReply({ blocks: [thinking, ...calls], usage: [{ input_tokens }, { output_tokens: 5 }] });
  });
  const settings = { DROVER_ANTHROPIC_API_KEY: "key", DROVER_ANTHROPIC_BASE_URL: fake.url };
  const server = await rig.inProcess(createModels(modelsConfig(settings).config));
  try {
    const session = await rig.newSession(server.client, "claude-opus-5-5");
    const stream = await server.client.stream(session);
    const idle = stream.next("session.status_idle");
    await server.client.say(session, "Count. ".repeat(100));
    await idle;
    stream.close();
    return fake.requests.map(({ body }) => body as unknown as Body);
  } finally {
    await server.close();
    await fake.close();
  }
}

type Block = Record<string, unknown>;

interface Body {
  tools?: Block[];
  system?: Block[];
  messages: { role: string; content: Block[] }[];
}

/** A piece of a request, in the order in which the API caches them, named by all that stands up to it. */
interface Piece {
  name: string;
  bytes: number;
  marked: boolean;
}

function piecesOf({ tools = [], system = [], messages }: Body): Piece[] {
  const blocks = [
    ...[...tools, ...system].map((block) => ["", block] as const),
    ...messages.flatMap(({ role, content }) => content.map((block) => [role, block] as const)),
  ];
  let name = "";
  return blocks.map(([role, { cache_control, ...block }]) => {
    const text = `${role} ${JSON.stringify(block)}`;
    name = createHash("sha256").update(name).update(text).digest("base64");
    return { name, bytes: Buffer.byteLength(text), marked: cache_control !== undefined };
  });
}

/** How far back from a mark the API looks for what it has cached, in blocks. */
const looked_back = 20;

/** Of all input, what the request before had too, and what a cache of all that was marked so far is asked for. */
function sharesOf(bodies: Body[]): { held: number; found: number } {
  const sums = { all: 0, held: 0, found: 0 };
  const cached = new Set<string>();
  let before = new Set<string>();
  for (const body of bodies) {
    const pieces = piecesOf(body);
    const bytesUpTo = (end: number) => pieces.slice(0, end).reduce((sum, { bytes }) => sum + bytes, 0);
    const isFound = ({ name }: Piece, i: number) =>
      cached.has(name) && pieces.slice(i, i + looked_back).some(({ marked }) => marked);
    sums.all += bytesUpTo(pieces.length);
    sums.held += bytesUpTo(pieces.findLastIndex(({ name }) => before.has(name)) + 1);
    sums.found += bytesUpTo(pieces.findLastIndex(isFound) + 1);
    before = new Set(pieces.map(({ name }) => name));
    for (const { name, marked } of pieces) if (marked) cached.add(name);
  }
  return { held: sums.held / sums.all, found: sums.found / sums.all };
}
