import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Runs the client scenarios of the protocol's own conformance suite against the MCP client of this server, and writes what came
 * of them into docs/MCP.md. The suite is fetched for that, at one version: it brings a web server and more, which nothing else
 * here needs.
 */
const suite = "@modelcontextprotocol/conformance@0.1.16";
const root = join(import.meta.dirname, "../..");
const document = join(root, "docs/MCP.md");
const client = `${process.execPath} ${join(import.meta.dirname, "client.ts")}`;

function run(...args: string[]): Promise<string> {
  const env = { ...process.env, NO_COLOR: "1", PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  return new Promise((resolve) => {
    execFile(
      "npx",
      ["-y", suite, ...args],
      { env, maxBuffer: 64 << 20, timeout: 120_000 },
      (_, stdout, stderr) => resolve(`${stdout}${stderr}`),
    );
  });
}

const list = await run("list", "--client");
const scenarios = [...list.matchAll(/^ {2}- (\S+) \[/gm)].map(([, name = ""]) => name);
if (scenarios.length === 0) throw new Error(`the suite names no scenarios: ${list.slice(0, 500)}`);

const rows: string[] = [];
for (const scenario of scenarios) {
  const said = await run("client", "--command", client, "--scenario", scenario, "--timeout", "30000");
  const [, passed = "0", all = "?"] = /Passed: (\d+)\/(\d+)/.exec(said) ?? [];
  const isPassed = said.includes("OVERALL: PASSED");
  rows.push(`| \`${scenario}\` | ${isPassed ? "passed" : "not passed"}, ${passed} of ${all} checks |`);
  process.stdout.write(`${rows.at(-1)}\n`);
}
const table = ["| scenario | result |", "|---|---|", ...rows].join("\n");
const text = readFileSync(document, "utf8");
const marked = /(<!-- conformance -->\n)[\s\S]*(\n<!-- end of conformance -->)/;
if (!marked.test(text)) throw new Error("docs/MCP.md has no place for the table");
writeFileSync(
  document,
  text.replace(marked, (_, start: string, end: string) => `${start}${table}${end}`),
);
process.exitCode = rows.some((row) => row.includes("not passed")) ? 1 : 0;
