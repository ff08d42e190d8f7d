import assert from "node:assert/strict";
import { saidIn } from "../../harness/session.ts";
import { bash, echoes, next } from "../script.ts";
import { type Group, item } from "../suite.ts";

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
    item(24, "Limited networking blocks what it does not list", async ({ environment, session, turn }) => {
      const networking = { type: "limited" as const, allowed_hosts: ["api.example.com", "*.example.net"] };
      const { id: environment_id } = await environment({ config: { type: "cloud", networking } });
      const { id } = await session({ environment_id });
      const closed = ["example.com", "example.net", "api.example.com.example.org", "169.254.169.254"];
      for (const host of closed) {
        const status = `curl -s -m 20 -o /dev/null -w 'status %{http_code}' http://${host}/`;
        const said = saidIn(await turn(id, bash(status), next, echoes));
        // How it is refused is not written down: by an answer of the proxy, or by none at all.
        assert.match(said, /status (000|[45]\d\d)/, host);
      }
    }),
  ],
};
