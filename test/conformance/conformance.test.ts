import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { freePort } from "../harness/free-port.ts";
import { longTest } from "../harness/long.ts";
import { checklist } from "./checklist.ts";
import type { Target } from "./context.ts";
import { readArguments } from "./options.ts";
import { type OwnServer, startOwnServer } from "./own-server.ts";
import { unreachable } from "./reachable.ts";
import { differences, markdown, resultsOf } from "./report.ts";
import { checkAll, type Report } from "./run.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

let standIn: StandIn;
let own: OwnServer;

before(async () => {
  standIn = await startStandIn();
  own = await startOwnServer({ anthropic_url: standIn.url });
});
after(async () => {
  await own.close();
  await standIn.close();
});

describe("a started server", () => {
  test("does what docs/COMPATIBILITY.md says", async () => {
    const committed = readFileSync(join(import.meta.dirname, "../../docs/COMPATIBILITY.md"), "utf8");
    const reports = await checkAll(checklist, own.target);
    assert.deepEqual(differences(committed, reports), []);
    // Nothing is told apart by item, so what stands around the items is out of date.
    if (resultsOf(reports).every(({ verdict }) => verdict !== "does not hold")) {
      assert.equal(markdown(reports), committed, "run npm run conformance -- --write");
    }
  });

  longTest("does the same with models behind the Messages API", async () => {
    const some = [36, 44, 48, 49, 50, 51, 54, 56, 60, 64, 82];
    const groups = checklist.map(({ title, items }) => ({
      title,
      items: items.filter(({ number }) => some.includes(number)),
    }));
    const target: Target = { ...own.target, model: "claude-opus-5-5" };
    const results = resultsOf(await checkAll(groups, target));
    assert.equal(results.length, some.length);
    assert.deepEqual(
      results.filter(({ verdict }) => verdict !== "holds"),
      [],
    );
  });
});

describe("a server that cannot be checked", () => {
  const never = { wait_ms: 0, waiting: () => {} };

  test("is told apart by what to change", async () => {
    const { url, api_key } = own.target;
    assert.equal(await unreachable({ url, api_key }, never), null);
    assert.match((await unreachable({ url, api_key: "wrong" }, never)) ?? "", /^--api-key: .* \(401\)$/);
    assert.match(
      (await unreachable({ url: `${url}/v1`, api_key }, never)) ?? "",
      /^--base-url: .*the URL that an SDK is given$/,
    );
    const closed = `http://127.0.0.1:${await freePort()}`;
    assert.match(
      (await unreachable({ url: closed, api_key }, never)) ?? "",
      /^--base-url: .*does not answer: .*ECONNREFUSED/,
    );
  });

  test("ends the command with one line", async () => {
    const main = join(import.meta.dirname, "main.ts");
    const closed = `http://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const args = [main, "--base-url", closed, "--api-key", "k"];
      const child = execFile(process.execPath, args, (_, _stdout, stderr) =>
        resolve({ code: child.exitCode, stderr }),
      );
    });
    assert.equal(code, 2);
    assert.match(stderr, /^--base-url: .*\n$/);
  });

  test("is waited for where it may be starting", async () => {
    const port = await freePort();
    const late = createServer((_, response) => void response.writeHead(200).end("{}"));
    const told = await unreachable(
      { url: `http://127.0.0.1:${port}`, api_key: "k" },
      { wait_ms: 60_000, waiting: () => late.listen(port, "127.0.0.1") },
    );
    late.closeAllConnections();
    late.close();
    assert.equal(told, null);
  });
});

describe("the checklist", () => {
  test("has every item from 1 to 100 once", () => {
    const numbers = checklist.flatMap(({ items }) => items.map(({ number }) => number));
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
  });

  test("is checked from outside: only what starts a server or stands in for a model imports from src", () => {
    const inside = globSync("**/*.ts", { cwd: import.meta.dirname }).filter((file) =>
      /from "[./]*\/src\//.test(readFileSync(join(import.meta.dirname, file), "utf8")),
    );
    assert.deepEqual(inside.toSorted(), ["own-server.ts", "stand-in-wire.ts", "stand-in.ts"]);
  });
});

describe("the document", () => {
  const reports = (verdict: "holds" | "does not hold" | "not yet", why: string | null = null): Report[] => [
    { title: "A", results: [{ number: 1, text: "one", verdict, why }] },
  ];

  test("differs from what was found by item, with the reason or with what to do", () => {
    const committed = markdown(reports("holds"));
    assert.deepEqual(differences(committed, reports("holds")), []);
    assert.deepEqual(differences(committed, reports("does not hold", "2 !== 3")), [
      "item 1 no longer holds: 2 !== 3 (one)",
    ]);
    assert.deepEqual(differences(markdown(reports("does not hold", "a")), reports("holds")), [
      'item 1 was "does not hold" and now "holds": run npm run conformance -- --write (one)',
    ]);
    assert.deepEqual(differences(markdown(reports("does not hold", "a")), reports("does not hold", "b")), []);
    assert.deepEqual(differences(markdown(reports("not yet", "a")), reports("not yet", "b")), [
      "item 1 is written differently: run npm run conformance -- --write",
    ]);
    assert.deepEqual(differences("", reports("holds")), [
      "item 1 is missing: run npm run conformance -- --write",
    ]);
  });
});

describe("the command line", () => {
  test("takes items one by one and in ranges", () => {
    const options = readArguments(["--only", "36,51-53"]);
    assert.ok(options !== "help" && !("mistake" in options));
    const numbers = Array.from({ length: 100 }, (_, i) => i + 1).filter(options.only);
    assert.deepEqual(numbers, [36, 51, 52, 53]);
  });

  test("says what is wrong with an option", () => {
    for (const [args, says] of [
      [["--only", "101"], /--only: 101/],
      [["--only", "60-51"], /--only: 51 is not a whole number from 60 to 100/],
      [["--only", "51-53-60"], /--only: 53-60/],
      [["--base-url", "nowhere", "--api-key", "k"], /--base-url: nowhere/],
      [["--write", "--only", "3"], /--write/],
      [["--tls", "/nowhere"], /--tls: .*host-localhost\.crt/],
      [["--model-stand-in-port", "x"], /--model-stand-in-port: x/],
      [["--unknown"], /--unknown/],
    ] as const) {
      const options = readArguments([...args]);
      assert.ok(options !== "help" && "mistake" in options);
      assert.match(options.mistake, says);
    }
  });
});
