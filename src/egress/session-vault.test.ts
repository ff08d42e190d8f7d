import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import type { SessionSecrets, Use } from "../net/vault-wire.ts";
import { listenForEgress, type VaultAnswers, type VaultListener } from "../vault/socket.ts";
import { createSessionVault, type SessionVaultOptions, VaultAway, VaultMissing } from "./session-vault.ts";

const secretsOf = (secret: string): SessionSecrets => ({
  authority: { certificate: "certificate", private_key: "key" },
  secrets: [{ type: "repository", id: "r", url: "https://up.test/a/b", token: secret }],
});

interface Scripted extends VaultAnswers {
  asked: string[];
  noted: { session_id: string; pass: string; uses: Use[] }[];
  secret: string;
}

function bench(t: TestContext, options: Partial<SessionVaultOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "drover-vault-"));
  const socket_path = join(folder, "vault.sock");
  const troubles: string[] = [];
  const answers: Scripted = {
    asked: [],
    noted: [],
    secret: "the secret itself",
    async resolve({ session_id, pass }) {
      answers.asked.push(session_id);
      return pass === "right" ? secretsOf(answers.secret) : null;
    },
    async note(used) {
      answers.noted.push(used);
    },
  };
  const serves = new Set<VaultListener>();
  const vault = createSessionVault({
    socket_path,
    wait_ms: 60_000,
    onTrouble: (error) => troubles.push(String(error)),
    ...options,
  });
  t.after(async () => {
    await vault.close();
    for (const serve of serves) await serve.close();
    rmSync(folder, { recursive: true });
  });
  return {
    vault,
    answers,
    troubles,
    socket_path,
    async serve(answering: VaultAnswers | null = answers) {
      const serve = await listenForEgress({
        socket_path,
        onTrouble: (error) => troubles.push(String(error)),
      });
      serves.add(serve);
      if (answering) serve.answer(answering);
      return serve;
    },
  };
}

const asking = (session_id: string, pass = "right") => ({ session_id, pass });

describe("what is known of a session", () => {
  test("is asked for once, by however many connections; another session or pass is another matter", async (t) => {
    const { vault, answers, serve } = bench(t);
    await serve();
    const all = await Promise.all(Array.from({ length: 50 }, () => vault.secretsOf(asking("a"))));
    for (const each of all) assert.equal(each, all[0]);
    assert.equal(all[0]?.redactor.text("the secret itself!"), `${"*".repeat(17)}!`);
    assert.equal(await vault.secretsOf(asking("a", "wrong")), null);
    assert.ok(await vault.secretsOf(asking("b")));
    await vault.secretsOf(asking("a"));
    assert.deepEqual(answers.asked, ["a", "a", "b"]);
  });

  test("is asked for again when it was believed for long enough, and is the same object unless it changed", async (t) => {
    const { vault, answers, serve } = bench(t, { believed_ms: 0 });
    await serve();
    const first = await vault.secretsOf(asking("a"));
    assert.equal(await vault.secretsOf(asking("a")), first);
    answers.secret = "another secret";
    const second = await vault.secretsOf(asking("a"));
    assert.notEqual(second, first);
    assert.equal(second?.redactor.text("another secret"), "*".repeat(14));
    assert.equal(answers.asked.length, 3);
  });

  test("is forgotten when there are too many, the one first that was not wanted for longest", async (t) => {
    const { vault, answers, serve } = bench(t, { sessions_max: 2 });
    await serve();
    for (const id of ["a", "b", "a", "c", "a", "b"]) await vault.secretsOf(asking(id));
    assert.deepEqual(answers.asked, ["a", "b", "c", "b"]);
  });

  test("is forgotten when nobody has wanted it for a while", async (t) => {
    const { vault, answers, serve } = bench(t, { forgotten_ms: 20 });
    await serve();
    while (answers.asked.length < 2) {
      await vault.secretsOf(asking("a"));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  test("comes in full, however slowly it is read", async (t) => {
    const { answers, serve, socket_path } = bench(t);
    await serve();
    answers.secret = "s".repeat(4_000);
    const count = 4_000;
    const egress = connect(socket_path).pause();
    for (let n = 0; n < count; n += 1)
      egress.write(`${JSON.stringify({ n, type: "resolve", ...asking("a") })}\n`);
    let heard = 0;
    for await (const _ of createInterface({ input: egress })) {
      heard += 1;
      if (heard === count) break;
    }
    egress.destroy();
  });

  test("may be long", async (t) => {
    const { vault, answers, serve } = bench(t);
    await serve();
    answers.secret = "s".repeat(1 << 20);
    const known = await vault.secretsOf(asking("a"));
    assert.equal(known?.secrets[0]?.type === "repository" && known.secrets[0].token.length, 1 << 20);
  });
});

describe("a serve that is away", () => {
  test("is waited for, and asked when it comes", async (t) => {
    const { vault, answers, serve } = bench(t);
    const early = vault.secretsOf(asking("a"));
    await new Promise((resolve) => setTimeout(resolve, 250));
    // It may listen for a while before it has anything to answer.
    const listening = await serve(null);
    await new Promise((resolve) => setTimeout(resolve, 50));
    listening.answer(answers);
    assert.ok(await early);
    assert.deepEqual(answers.asked, ["a"]);
  });

  test("in the middle of a question is asked again, the next one", async (t) => {
    const { vault, answers, serve } = bench(t);
    const { promise: asked, resolve: ring } = Promise.withResolvers<void>();
    const silent = Promise.withResolvers<null>();
    const first = await serve({
      resolve() {
        ring();
        return silent.promise;
      },
      note: answers.note,
    });
    const known = vault.secretsOf(asking("a"));
    await asked;
    const ended = first.close();
    silent.resolve(null);
    await ended;
    await serve();
    assert.ok(await known);
  });

  test("is given up in the end; the next one who asks is answered", async (t) => {
    const { vault, serve } = bench(t, { wait_ms: 300 });
    await assert.rejects(vault.secretsOf(asking("a")), VaultAway);
    const deaf = await serve({
      resolve: () => Promise.reject(new Error("no database")),
      note: async () => {},
    });
    await assert.rejects(vault.secretsOf(asking("a")), VaultAway);
    await deaf.close();
    await serve();
    assert.ok(await vault.secretsOf(asking("a")));
  });

  test("that never was there is not waited for, unless one is to come", async (t) => {
    const { vault, serve, troubles } = bench(t, { is_awaited: false, believed_ms: 0, wait_ms: 300 });
    await assert.rejects(vault.secretsOf(asking("a")), VaultMissing);
    await assert.rejects(vault.secretsOf(asking("a")), VaultMissing);
    assert.equal(troubles.length, 1, "told once");
    assert.match(troubles[0] ?? "", /set DROVER_EGRESS_UPSTREAM there/);
    const first = await serve();
    assert.ok(await vault.secretsOf(asking("a")));
    await first.close();
    await assert.rejects(vault.secretsOf(asking("a")), { name: "VaultAway" });
  });

  test("is no matter where another one is on that machine; those that begin at once have places of their own", async (t) => {
    const { vault, serve, socket_path } = bench(t, { believed_ms: 0 });
    const serves = await Promise.all([serve(), serve(), serve()]);
    for (const each of serves) {
      for (let n = 0; n < 3; n += 1) assert.ok(await vault.secretsOf(asking("a")));
      await each.close();
      await serve();
    }
    assert.ok(await vault.secretsOf(asking("a")));
    const places = readdirSync(dirname(socket_path)).toSorted();
    assert.deepEqual(places, ["vault.sock", "vault.sock.2", "vault.sock.3", "vault.sock.lock"]);
  });

  test("that stands still is not waited for where another one is", async (t) => {
    const { vault, answers, serve, socket_path } = bench(t, { believed_ms: 0 });
    const module = JSON.stringify(new URL("../vault/socket.ts", import.meta.url).href);
    const script = `const { listenForEgress } = await import(${module});
      const listener = await listenForEgress({ socket_path: ${JSON.stringify(socket_path)} });
      listener.answer({
        resolve: async () => (console.log("asked"), null),
        note: async (used) => console.log(JSON.stringify(used)),
      });
      console.log("listens");`;
    const other = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => other.kill("SIGKILL"));
    const lines = createInterface({ input: other.stdout })[Symbol.asyncIterator]();
    const heard = async () => (await lines.next()).value as string;
    assert.equal(await heard(), "listens");
    await serve();
    assert.equal(await vault.secretsOf(asking("a")), null, "the first one knows of none");
    assert.equal(await heard(), "asked");
    other.kill("SIGSTOP");
    // Were it to be waited for, this would take a minute, and end in nothing.
    const all = await Promise.all(Array.from({ length: 5 }, (_, i) => vault.secretsOf(asking(`s${i}`))));
    assert.ok(all.every((known) => known !== null));
    // Who has answered is asked from then on.
    await vault.secretsOf(asking("a"));
    assert.equal(answers.asked.length, 6);
    other.kill("SIGCONT");
    for (let n = 0; n < 5; n += 1) assert.equal(await heard(), "asked");
  });

  test("is told by several at once, in one message that both know", async (t) => {
    const { vault, answers, serve } = bench(t);
    const { promise: silent, resolve: go } = Promise.withResolvers<void>();
    const late: unknown[] = [];
    await serve({
      resolve: answers.resolve,
      async note(used) {
        late.push(used);
        await silent;
      },
    });
    await serve();
    vault.used(asking("a"), { id: "r", host: "up.test", outcome: "sent 200" });
    while (answers.noted.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    go();
    assert.deepEqual(answers.noted, late);
    assert.match((late[0] as { tell: string }).tell, /^[\w-]{12}$/);
  });

  test("was told before: nothing is believed for longer because of that", async (t) => {
    const { vault, serve } = bench(t, { believed_ms: 0, wait_ms: 300 });
    const first = await serve();
    assert.ok(await vault.secretsOf(asking("a")));
    await first.close();
    await assert.rejects(vault.secretsOf(asking("a")), VaultAway);
  });
});

describe("uses", () => {
  const use = (outcome: string) => ({ id: "r", host: "up.test", outcome });

  test("are counted, and told together", async (t) => {
    const { vault, answers, serve } = bench(t);
    await serve();
    for (let i = 0; i < 700; i += 1) vault.used(asking("a"), use("sent 200"));
    vault.used(asking("a"), use("sent 401"));
    vault.used(asking("b"), use("sent 200"));
    await vault.close();
    const told = answers.noted.flatMap(({ session_id, pass, uses }) =>
      uses.map(({ at, ...rest }) => ({ session_id, pass, ...rest, at: Number.isFinite(Date.parse(at)) })),
    );
    const one = { pass: "right", id: "r", host: "up.test", at: true };
    assert.deepEqual(told, [
      { session_id: "a", ...one, outcome: "sent 200", count: 700 },
      { session_id: "a", ...one, outcome: "sent 401", count: 1 },
      { session_id: "b", ...one, outcome: "sent 200", count: 1 },
    ]);
  });

  test("are told by and by without anybody's end, and after a serve was away", async (t) => {
    const { vault, answers, serve } = bench(t, { wait_ms: 100 });
    vault.used(asking("a"), use("sent 200"));
    await new Promise((resolve) => setTimeout(resolve, limits.vault_uses_ms + 500));
    vault.used(asking("a"), use("sent 200"));
    await serve();
    const count = () => answers.noted.flatMap(({ uses }) => uses).reduce((sum, each) => sum + each.count, 0);
    while (count() < 2) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(count(), 2);
  });

  test("of one session that are many are counted under one name, and take no room from another's", async (t) => {
    const { vault, answers, serve, troubles } = bench(t);
    const named = limits.vault_uses_of_session_max;
    for (let i = 0; i < limits.vault_uses_backlog_max + 7; i += 1)
      vault.used(asking("a"), { ...use("sent"), host: `${i}.test` });
    vault.used(asking("b"), use("sent 200"));
    await serve();
    await vault.close();
    const of = (id: string) =>
      answers.noted.filter(({ session_id }) => session_id === id).flatMap(({ uses }) => uses);
    const { at: _, ...last } = of("a").at(-1) ?? assert.fail();
    const count = limits.vault_uses_backlog_max + 7 - named;
    assert.deepEqual(last, { id: "r", host: "*", outcome: "more", count });
    assert.deepEqual([of("a").length, of("b").length, troubles], [named + 1, 1, []]);
  });

  test("that are too many for their serve to come back are counted no more, and somebody hears of it", async (t) => {
    const { vault, answers, serve, troubles } = bench(t);
    for (let i = 0; i < limits.vault_uses_backlog_max + 7; i += 1)
      vault.used(asking(`s${i % 25}`), { ...use("sent"), host: `${i}.test` });
    await serve();
    await vault.close();
    assert.equal(answers.noted.flatMap(({ uses }) => uses).length, limits.vault_uses_backlog_max);
    assert.ok(answers.noted.every(({ uses }) => uses.length <= limits.vault_uses_at_once_max));
    assert.match(troubles.join(), /7 uses of credentials will not be in any audit/);
  });
});

describe("the socket", () => {
  test("is for one user, and ends what says something else", async (t) => {
    const { serve, socket_path, answers } = bench(t);
    await serve();
    assert.equal(statSync(socket_path).mode & 0o777, 0o600);
    const said = [
      "GET / HTTP/1.1\r\n\r\n",
      "{}\n",
      '{"n":1,"type":"resolve","session_id":"a"}\n',
      "\0\n",
      "x".repeat(limits.vault_request_bytes_max + 2),
    ];
    for (const text of said) {
      const socket = connect(socket_path).on("error", () => {});
      socket.write(text);
      socket.resume();
      await once(socket, "close");
    }
    assert.deepEqual(answers.asked, []);
  });

  test("tells nobody a secret without the pass, whatever the lines are, and goes on", async (t) => {
    const { serve, socket_path, vault } = bench(t, { believed_ms: 0 });
    await serve();
    const lines = [
      { n: 1, type: "resolve", session_id: "a", pass: "wrong" },
      { n: 2, type: "used", session_id: "a", pass: "wrong", tell: "t", uses: [] },
      { n: 3, type: "resolve", session_id: "b", pass: "" },
    ].map((each) => `${JSON.stringify(each)}\n`);
    const put = fc.constantFrom("\n", '"', "{", "}", ",", "\0", "null", '"n":4,', "\u00e9", "__proto__");
    const edit = fc.record({ at: fc.nat(300), drop: fc.nat(4), put });
    const said = fc.tuple(fc.shuffledSubarray(lines, { minLength: 1 }), fc.array(edit, { maxLength: 4 }));
    await fc.assert(
      fc.asyncProperty(said, async ([begun, edits]) => {
        const text = edits.reduce(
          (all, { at, drop, put }) => all.slice(0, at) + put + all.slice(at + drop),
          begun.join(""),
        );
        const socket = connect(socket_path).on("error", () => {});
        let heard = "";
        socket.on("data", (chunk) => (heard += chunk));
        socket.end(text);
        await once(socket, "close");
        assert.ok(!heard.includes("the secret itself"), heard);
        assert.ok(await vault.secretsOf(asking("a")));
      }),
      {
        seed: Number(process.env.DROVER_TEST_SEED ?? 1),
        numRuns: Number(process.env.DROVER_TEST_RUNS ?? 100),
      },
    );
  });

  test("answers many questions of one connection, in any order, and reads no more than it may at a time", async (t) => {
    const { serve, socket_path } = bench(t);
    let open = 0;
    let most = 0;
    await serve({
      async resolve({ session_id }) {
        open += 1;
        most = Math.max(most, open);
        await new Promise((resolve) => setTimeout(resolve, session_id === "slow" ? 200 : 1));
        open -= 1;
        return null;
      },
      note: async () => {},
    });
    const socket = connect(socket_path);
    const total = 500;
    for (let n = 0; n < total; n += 1) {
      const session_id = n === 0 ? "slow" : "quick";
      socket.write(`${JSON.stringify({ n, type: "resolve", session_id, pass: "p" })}\n`);
    }
    const heard: number[] = [];
    for await (const line of createInterface({ input: socket })) {
      heard.push(JSON.parse(line).n);
      if (heard.length === total) break;
    }
    socket.destroy();
    assert.notEqual(heard[0], 0);
    assert.equal(new Set(heard).size, total);
    assert.ok(most > 1, "one at a time");
  });
});
