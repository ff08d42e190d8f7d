import assert from "node:assert/strict";
import { type Group, item, notYet } from "../suite.ts";

export const environments: Group = {
  title: "Environments",
  items: [
    item(
      20,
      "Without `config` an environment is in the cloud, with no packages and unrestricted networking",
      async ({ environment }) => {
        const { config } = await environment();
        assert.ok(config.type === "cloud");
        assert.deepEqual(config.networking, { type: "unrestricted" });
        const { apt, cargo, gem, go, npm, pip } = config.packages;
        assert.deepEqual([apt, cargo, gem, go, npm, pip], [[], [], [], [], [], []]);
      },
    ),
    item(
      21,
      "`config.type` cannot be changed, and an archived environment not at all",
      async ({ client, environment, refused }) => {
        const { id } = await environment();
        const path = `/v1/environments/${id}`;
        const changed = await refused(400, "POST", path, { body: { config: { type: "self_hosted" } } });
        assert.equal(changed.body.error.details?.error_code, "invalid_config_type_change");
        await client.beta.environments.archive(id);
        const archived = await refused(400, "POST", path, { body: { description: "new" } });
        assert.equal(archived.body.error.details?.error_code, "environment_archived");
      },
    ),
    item(
      22,
      "Limited networking that shuts out package managers allows no packages",
      async ({ environment, refused }) => {
        const config = (allow_package_managers: boolean) => ({
          type: "cloud" as const,
          packages: { pip: ["numpy"] },
          networking: { type: "limited" as const, allowed_hosts: [], allow_package_managers },
        });
        await environment({ config: config(true) });
        await refused(400, "POST", "/v1/environments", { body: { name: "shut", config: config(false) } });
      },
    ),
    item(
      23,
      "An environment with sessions is not deleted, and one without is",
      async ({ client, ask, environment, session }) => {
        const { id } = await environment();
        const { id: user } = await session({ environment_id: id });
        const { status, body } = await ask("DELETE", `/v1/environments/${id}`);
        assert.equal(body.type, "error");
        assert.ok(status === 400 || status === 409, `refused with ${status}`);
        await client.beta.sessions.delete(user);
        assert.deepEqual(await client.beta.environments.delete(id), { id, type: "environment_deleted" });
      },
    ),
    notYet(24, "Limited networking blocks what it does not list", "sandboxes have no network yet"),
  ],
};
