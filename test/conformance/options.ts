import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Target } from "./context.ts";

export const usage = `Usage: npm run conformance -- [options]

Checks what a server does against the 100 items of the checklist, as a client sees it. Without --base-url it starts a
Drover of its own. What the agents have to do is scripted: the model behind the server has to be Drover's simulated one
(docs/SIMULATED.md), or the stand-in for the Messages API that --model-stand-in-port starts. For items 73 and 74 the server
has to be able to reach 127.0.0.1 of this machine, where this starts what MCP servers and their OAuth are; for item 72 its
sandboxes have to reach localhost and 127.0.0.1, and --tls has to be given.

  --base-url <url>              the server to check
  --api-key <key>               its key (default: $ANTHROPIC_API_KEY)
  --model <id>                  the model that agents get: for item 64 one that takes system messages in a conversation,
                                for item 82 one with a list price (default: simulated, with a stand-in claude-opus-5-5)
  --model-stand-in-port <port>  starts the stand-in on this port of 127.0.0.1 (0: any), for the server to use as its
                                model provider with any key; checking begins when the server answers
  --repository <url>            a public repository that the server can reach (default: https://github.com/octocat/Hello-World,
                                or one of the suite's own for a Drover of its own)
  --tls <folder>                host-localhost.crt and .key, as \`drover certs <folder> --host localhost\` makes them: what a
                                host shows that credentials are for; the server has to trust its ca.crt (in Drover:
                                NODE_EXTRA_CA_CERTS)
  --only <items>                some items: 36,37,51-55
  --wait <seconds>              the longest wait for one thing (default: 20; pings are given 15 s)
  --json                        the results as JSON on stdout
  --markdown                    the results as a Markdown document on stdout
  --write                       writes docs/COMPATIBILITY.md from a Drover of its own
  --help                        this text

Exits with 1 when an item does not hold, and with 2 when nothing could be checked. Colours respect NO_COLOR.
`;

export interface Options {
  base_url: string | null;
  api_key: string;
  model: string | null;
  stand_in_port: number | null;
  repository: string;
  tls: Target["tls"];
  only(number: number): boolean;
  wait_ms: number;
  output: "text" | "json" | "markdown";
  write: boolean;
}

export function readArguments(args: string[]): Options | "help" | { mistake: string } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        "base-url": { type: "string" },
        "api-key": { type: "string" },
        model: { type: "string" },
        "model-stand-in-port": { type: "string" },
        repository: { type: "string", default: "https://github.com/octocat/Hello-World" },
        tls: { type: "string" },
        only: { type: "string" },
        wait: { type: "string", default: "20" },
        json: { type: "boolean", default: false },
        markdown: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) return "help";
    const base = values["base-url"] ?? null;
    const api_key = values["api-key"] ?? process.env.ANTHROPIC_API_KEY ?? "";
    const port = values["model-stand-in-port"];
    if (base !== null && api_key === "") throw new Error("--api-key: is missing");
    if (values.write && (base !== null || values.only !== undefined)) {
      throw new Error("--write: describes Drover as a whole, so it goes without --base-url and --only");
    }
    return {
      base_url: base && urlOf(base),
      api_key,
      model: values.model ?? null,
      stand_in_port: port === undefined ? null : numberOf("--model-stand-in-port", port, 0, 65_535),
      repository: values.repository,
      tls: values.tls === undefined ? null : tlsIn(values.tls),
      only: values.only === undefined ? () => true : itemsOf(values.only),
      wait_ms: 1_000 * numberOf("--wait", values.wait, 1, 3_600),
      output: values.json ? "json" : values.markdown ? "markdown" : "text",
      write: values.write,
    };
  } catch (error) {
    return { mistake: (error as Error).message };
  }
}

function tlsIn(folder: string): Target["tls"] {
  const read = (name: string) => readFileSync(join(folder, `host-localhost.${name}`), "utf8");
  try {
    return { cert: read("crt"), key: read("key") };
  } catch (error) {
    throw new Error(`--tls: ${(error as Error).message}`);
  }
}

function urlOf(text: string): string {
  if (!/^https?:/.test(text) || !URL.canParse(text)) throw new Error(`--base-url: ${text} is not a URL`);
  return text.replace(/\/$/, "");
}

function numberOf(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (text !== "" && Number.isInteger(number) && number >= min && number <= max) return number;
  throw new Error(`${name}: ${text} is not a whole number from ${min} to ${max}`);
}

function itemsOf(text: string): (number: number) => boolean {
  const ranges = text.split(",").map((part) => {
    const [first = "", last = first] = part.split(/-(.*)/s);
    const from = numberOf("--only", first, 1, 100);
    return [from, numberOf("--only", last, from, 100)] as const;
  });
  return (number) => ranges.some(([first, last]) => number >= first && number <= last);
}
