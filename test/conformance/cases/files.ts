import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { APIError, toFile } from "@anthropic-ai/sdk";
import { beta } from "../../harness/headers.ts";
import { collected, saidIn } from "../../harness/session.ts";
import type { Context } from "../context.ts";
import { bash, echoes, next } from "../script.ts";
import { type Group, item } from "../suite.ts";

export const files: Group = {
  title: "Resources, files, outputs",
  items: [
    item(
      65,
      "A file lands read-only in the sandbox, under an id of its own; files come and go while the session lives",
      (context) =>
        withFile(context, async (file_id) => {
          const { client, session, turn, refused, sessionBody } = context;
          const file = (mount_path?: string) => ({ type: "file" as const, file_id, mount_path });
          const one = await session({ resources: [file(), file("/in/table.csv")] });
          const said = async (command: string) =>
            saidIn(await turn(one.id, bash(`cd /mnt/session/uploads; ${command}`), next, echoes)).trim();
          assert.equal(one.resources.length, 2);
          for (const resource of one.resources) {
            assert.ok(resource.type === "file");
            assert.notEqual(resource.file_id, file_id);
          }
          assert.equal(await said(`cat ${file_id}; grep 2 in/table.csv`), "a,b\n1,2\n1,2");
          assert.match(
            await said("echo x >> in/table.csv || echo read-only; cat in/table.csv"),
            /read-only\na,b\n1,2$/,
          );

          const added = await client.beta.sessions.resources.add(one.id, file("late.csv"));
          assert.equal(added.mount_path, "/mnt/session/uploads/late.csv");
          assert.equal(await said("cat late.csv"), "a,b\n1,2");
          await client.beta.sessions.resources.delete(added.id, { session_id: one.id });
          assert.equal(await said("ls late.csv 2>/dev/null || echo gone"), "gone");
          const listed = await client.beta.sessions.resources.list(one.id);
          assert.deepEqual(listed.data, one.resources);

          const other = await session();
          const none = [bash("ls /mnt/session/uploads 2>/dev/null; echo none"), next, echoes];
          assert.equal(saidIn(await turn(other.id, ...none)).trim(), "none");

          const many = Array.from({ length: 501 }, (_, i) => file(`f${i}`));
          await refused(400, "POST", "/v1/sessions", { body: await sessionBody({ resources: many }) });
        }),
    ),
    item(
      66,
      "A repository is cloned, its token never shown; a failure is a session error and the session goes on",
      async ({ client, session, turn, list, repository: url }) => {
        const type = "github_repository" as const;
        const folder = `/workspace/${url.split("/").at(-1)}`;
        const where = (at: string) =>
          bash(`cd ${at} && git rev-parse --abbrev-ref HEAD && git rev-parse HEAD`);
        const stands = async (id: string, at: string) => {
          const said = saidIn(await turn(id, where(at), next, echoes));
          return said.trim().split("\n").slice(0, 2);
        };
        const { id: first } = await session({ resources: [{ type, url }] });
        const [name = "", sha = ""] = await stands(first, folder);
        assert.match(sha, /^[0-9a-f]{40}$/);
        const { id: second } = await session({
          resources: [
            { type, url, checkout: { type: "branch", name } },
            { type, url, checkout: { type: "commit", sha }, mount_path: "/workspace/at/commit" },
          ],
        });
        assert.deepEqual(await stands(second, folder), [name, sha]);
        assert.deepEqual(await stands(second, "/workspace/at/commit"), ["HEAD", sha]);

        const authorization_token = `token-${crypto.randomUUID()}`;
        const missing = `${url}-${crypto.randomUUID().slice(0, 8)}`;
        const failing = await session({ resources: [{ type, url: missing, authorization_token }] });
        const said = saidIn(await turn(failing.id, bash("echo it goes on"), next, echoes));
        assert.match(said, /it goes on/);
        const events = await list(failing.id);
        const [error] = events.flatMap((event) => (event.type === "session.error" ? [event.error] : []));
        assert.match(error?.type ?? "", /^repository_(authentication|forbidden|not_found)_error$/);
        assert.ok(error && "repository_url" in error && error.repository_url === missing);
        assert.equal(error.retry_status.type, "retrying");
        const [resource] = failing.resources;
        assert.ok(resource?.type === type);
        const place = { session_id: failing.id };
        const updated = await client.beta.sessions.resources.update(resource.id, {
          ...place,
          authorization_token,
        });
        const shown = [failing, events, updated, await client.beta.sessions.retrieve(failing.id)];
        assert.ok(!JSON.stringify(shown).includes(authorization_token));
        await assert.rejects(client.beta.sessions.resources.delete(resource.id, place), APIError);
      },
    ),
    item(
      67,
      "What is written to the outputs folder is listed, can be downloaded, and goes with the session",
      async (context) => {
        const { client, session, turn, refused } = context;
        const one = await session();
        await turn(
          one.id,
          bash("cd /mnt/session/outputs; printf 'a\\0\\377' > chart.png; echo 1 > report.md"),
        );
        const files = await outputs(context, one.id, 2);
        assert.deepEqual(files.map(({ filename }) => filename).toSorted(), ["chart.png", "report.md"]);
        const chart = files.find(({ filename }) => filename === "chart.png");
        assert.ok(chart?.downloadable);
        assert.deepEqual(chart.scope, { type: "session", id: one.id });
        const download = await client.beta.files.download(chart.id);
        assert.deepEqual(Buffer.from(await download.arrayBuffer()), Buffer.from("a\0\xff", "latin1"));
        assert.deepEqual(await outputs(context, (await session()).id, 0), []);
        await client.beta.sessions.delete(one.id);
        await refused(404, "GET", `/v1/files/${chart.id}`);
      },
    ),
  ],
};

async function withFile({ client }: Context, run: (id: string) => Promise<void>): Promise<void> {
  const content = await toFile(Buffer.from("a,b\n1,2\n"), "table.csv", { type: "text/csv" });
  const { id } = await client.files.upload({ file: content });
  try {
    await run(id);
  } finally {
    await client.files.delete(id);
  }
}

/** As soon as a session has so many files, or when the wait for that is over. */
async function outputs({ client, wait_ms }: Context, sessionId: string, count: number) {
  const late = AbortSignal.timeout(wait_ms);
  for (;;) {
    const files = await collected(client.beta.files.list({ scope_id: sessionId, betas: [beta] }));
    if (files.length >= count || late.aborted) return files;
    await setTimeout(100);
  }
}
