import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Agent } from "../../protocol/agents.ts";
import type { ErrorBody } from "../../protocol/errors.ts";
import type { Page } from "../../protocol/page.ts";
import { type TestApi, testApi } from "../testing.ts";

/** Whatever an answer can hold: the resource, a page of them, or an error. */
export type Read = Omit<Agent, "type"> & Page<Agent> & ErrorBody;

/** The routes of agents, served for as long as a test file runs. */
export function agentsApi() {
  let api: TestApi;
  before(async () => {
    api = await testApi();
  });
  after(() => api.close());

  const call = (...request: Parameters<TestApi["call"]>) => api.call<Read>(...request);

  return {
    call,
    async create(fields: object = {}): Promise<Read> {
      const { status, body } = await call("POST", "/v1/agents", { name: "a", model: "m", ...fields });
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    },
    update: (id: string, fields: object) => call("POST", `/v1/agents/${id}`, fields),
  };
}
