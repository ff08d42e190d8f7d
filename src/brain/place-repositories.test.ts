import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseUnavailable } from "../db/errors.ts";
import type { Hands } from "../hands/client.ts";
import { never } from "../hands/testing-host.ts";
import { type Placing, placeRepositories, type RepositorySource } from "./place-repositories.ts";
import type { DueRepository } from "./repositories.ts";

const repository: DueRepository = {
  id: "sesrsc_1",
  url: "https://github.com/team/project",
  mount_path: "/workspace/project",
  checkout: null,
  updated_at: "2026-01-01T00:00:00Z",
  is_untold: true,
};

/** Nothing stands in the sandbox yet. */
const hands: Pick<Hands, "execute"> = {
  execute: async () => ({
    status: "finished",
    exit_code: 0,
    output_base64: Buffer.from("nothing\n").toString("base64"),
    ...{ timed_out: false, cancelled: false, stderr_base64: "", omitted_bytes: 0 },
    ...{ earlier_base64: "", earlier_omitted_bytes: 0, kept: null, fresh_shell: false },
    ...{ restored: null, network: null },
  }),
};

const placing = (tokenOf: RepositorySource["tokenOf"]) =>
  placeRepositories(
    [repository],
    { tokenOf, fetch: () => assert.fail("it was asked for without its token") },
    hands,
    { workspace_id: "wrkspc_1", setup_id: "sevt_1", sandbox: {} as Placing["sandbox"] },
    () => {},
    never,
  );

test("a token that the database does not give now is read again later; one that does not open is told of", async () => {
  const away = new DatabaseUnavailable("the database cannot be reached", { mayHaveRun: false });
  await assert.rejects(
    placing(() => Promise.reject(away)),
    away,
  );
  const [outcome] = await placing(() => Promise.reject(new Error("another master key")));
  assert.ok(outcome?.status === "failed");
  assert.equal(outcome.type, "repository_authentication_error");
});
