import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Environment } from "../../protocol/environments.ts";
import type { ErrorBody } from "../../protocol/errors.ts";
import type { Page } from "../../protocol/page.ts";
import { type TestApi, testApi } from "../testing.ts";

let api: TestApi;
before(async () => {
  api = await testApi();
});
after(() => api.close());

/** Whatever an answer can hold: the resource, a page of them, or an error. */
type Read = Omit<Environment, "type"> & Page<Environment> & ErrorBody;
const call = (...request: Parameters<TestApi["call"]>) => api.call<Read>(...request);

const create = async (fields: object = {}): Promise<Read> => {
  const { status, body } = await call("POST", "/v1/environments", { name: "e", ...fields });
  assert.equal(status, 200, JSON.stringify(body));
  return body;
};
const update = (id: string, fields: object) => call("POST", `/v1/environments/${id}`, fields);

const noPackages = { type: "packages", apt: [], cargo: [], gem: [], go: [], npm: [], pip: [] };
const cloud = { type: "cloud", networking: { type: "unrestricted" }, packages: noPackages };
const limited = {
  type: "limited",
  allowed_hosts: [],
  allow_mcp_servers: false,
  allow_package_managers: false,
};

describe("create", () => {
  test("answers with a cloud environment and its defaults", async () => {
    const environment = await create({ config: null });
    assert.match(environment.id, /^env_01[0-9A-Za-z]{22}$/);
    assert.deepEqual(environment, {
      id: environment.id,
      type: "environment",
      name: "e",
      description: null,
      config: cloud,
      metadata: {},
      scope: "organization",
      created_at: environment.created_at,
      updated_at: environment.created_at,
      archived_at: null,
    });
    assert.deepEqual((await call("GET", `/v1/environments/${environment.id}`)).body, environment);
    assert.deepEqual((await create()).config, cloud);
  });

  test("takes its own answer again", async () => {
    const config = {
      type: "cloud",
      networking: {
        ...limited,
        allowed_hosts: ["api.example.com", "*.example.org", "db"],
        allow_package_managers: true,
      },
      packages: { ...noPackages, pip: ["pandas==2.2.0"], npm: ["@scope/x@1"] },
    };
    const first = await create({ config, description: "" });
    assert.deepEqual(first.config, config);
    assert.equal(first.description, "");
    const { name, description, metadata, scope } = first;
    assert.deepEqual(
      (await create({ name, description, config: first.config, metadata, scope })).config,
      config,
    );
    assert.deepEqual((await create({ config: { type: "self_hosted" } })).config, { type: "self_hosted" });
  });

  const refused: [string, object, RegExp][] = [
    ["no name", { name: undefined }, /^name: is required$/],
    ["an unknown field", { configuration: {} }, /^configuration: unknown field$/],
    ["an unknown type", { config: { type: "vm" } }, /^config\.type: must be one of "cloud", "self_hosted"$/],
    [
      "settings of self_hosted",
      { config: { type: "self_hosted", packages: {} } },
      /^config\.packages: unknown field$/,
    ],
    [
      "the wrong networking shape",
      { config: { type: "cloud", networking: "limited" } },
      /^config\.networking: must be an object$/,
    ],
    [
      "a URL as host",
      { config: { type: "cloud", networking: { type: "limited", allowed_hosts: ["https://a.com"] } } },
      /^config\.networking\.allowed_hosts\.0: must be a hostname/,
    ],
    [
      "a wildcard in the middle",
      { config: { type: "cloud", networking: { type: "limited", allowed_hosts: ["a.*.com"] } } },
      /allowed_hosts\.0/,
    ],
    [
      "packages without package managers",
      { config: { type: "cloud", networking: { type: "limited" }, packages: { pip: ["x"] } } },
      /^config\.packages: .*allow_package_managers/,
    ],
    [
      "a package that is an option",
      { config: { type: "cloud", packages: { apt: ["-y"] } } },
      /^config\.packages\.apt\.0: /,
    ],
    [
      "an unknown package manager",
      { config: { type: "cloud", packages: { brew: [] } } },
      /^config\.packages\.brew: unknown field$/,
    ],
    [
      "more processors than the server gives",
      { config: { type: "cloud", resources: { cpu: 16.01 } } },
      /^config\.resources\.cpu: is 16\.01, and this server gives a sandbox at most 16$/,
    ],
    [
      "more memory than the server gives",
      { config: { type: "cloud", resources: { memory_mb: 32_769 } } },
      /^config\.resources\.memory_mb: .*at most 32768$/,
    ],
    [
      "a thousandth of a processor",
      { config: { type: "cloud", resources: { cpu: 1.001 } } },
      /^config\.resources\.cpu: must have at most two decimals$/,
    ],
    [
      "too few processes",
      { config: { type: "cloud", resources: { processes: 1 } } },
      /^config\.resources\.processes: /,
    ],
    [
      "an unknown resource",
      { config: { type: "cloud", resources: { gpu: 1 } } },
      /^config\.resources\.gpu: unknown field$/,
    ],
    ["an image that is a path", { config: { type: "cloud", image: "../etc" } }, /^config\.image: /],
    ["an empty setup command", { config: { type: "cloud", setup: ["make", ""] } }, /^config\.setup\.1: /],
    ["the account scope", { scope: "account" }, /^scope: only "organization" is supported$/],
    ["a long metadata key", { metadata: { ["k".repeat(65)]: "" } }, /^metadata\./],
  ];
  for (const [what, fields, message] of refused) {
    test(`refuses ${what}`, async () => {
      const { status, body } = await call("POST", "/v1/environments", { name: "e", ...fields });
      assert.equal(status, 400);
      assert.match(body.error.message, message);
    });
  }
});

describe("update", () => {
  test("merges within config", async () => {
    const environment = await create({ config: { type: "cloud", packages: { pip: ["a"], npm: ["b"] } } });
    const steps: [object, object][] = [
      [
        { config: { type: "cloud", packages: { pip: ["c"] } } },
        { ...cloud, packages: { ...noPackages, pip: ["c"], npm: ["b"] } },
      ],
      [{ config: { type: "cloud", packages: { pip: [], npm: [] } } }, cloud],
      [
        { config: { type: "cloud", networking: { type: "limited", allowed_hosts: ["a.com"] } } },
        { ...cloud, networking: { ...limited, allowed_hosts: ["a.com"] } },
      ],
      [
        { config: { type: "cloud", networking: { type: "limited", allow_mcp_servers: true } } },
        { ...cloud, networking: { ...limited, allowed_hosts: ["a.com"], allow_mcp_servers: true } },
      ],
      [{ config: { type: "cloud", networking: { type: "unrestricted" } } }, cloud],
      [{ config: null, name: null }, cloud],
    ];
    for (const [given, config] of steps) {
      const { body } = await update(environment.id, given);
      assert.deepEqual(body.config, config);
      assert.equal(body.name, "e");
    }
  });

  test("what goes beyond the official config is there once it is said, and goes with null", async () => {
    const extra = { resources: { cpu: 1.5, memory_mb: 512 }, image: "debian", setup: ["make deps"] };
    const environment = await create({ config: { type: "cloud", ...extra } });
    assert.deepEqual(environment.config, { ...cloud, ...extra });
    const steps: [object, object][] = [
      [{ resources: { cpu: null, disk_mb: 100 } }, { ...extra, resources: { memory_mb: 512, disk_mb: 100 } }],
      [{ resources: { memory_mb: null, disk_mb: null } }, { image: "debian", setup: ["make deps"] }],
      [{ image: null }, { setup: ["make deps"] }],
      [{ setup: [] }, {}],
    ];
    for (const [given, left] of steps) {
      const { body } = await update(environment.id, { config: { type: "cloud", ...given } });
      assert.deepEqual(body.config, { ...cloud, ...left });
    }
  });

  test("refuses more than the server gives, and changes nothing", async () => {
    const environment = await create();
    const config = { type: "cloud", image: "debian", resources: { disk_mb: 102_401 } };
    const { status, body } = await update(environment.id, { config });
    assert.equal(status, 400);
    assert.match(body.error.message, /^config\.resources\.disk_mb: /);
    assert.deepEqual((await call("GET", `/v1/environments/${environment.id}`)).body, environment);
  });

  test("null and an empty string remove a metadata key; description keeps an empty string", async () => {
    const environment = await create({ metadata: { a: "1", b: "2", c: "3" }, description: "d" });
    const { body } = await update(environment.id, { metadata: { a: null, b: "" }, description: "" });
    assert.deepEqual(body.metadata, { c: "3" });
    assert.equal(body.description, "");
    assert.equal((await update(environment.id, { description: null })).body.description, null);
  });

  test("one that changes nothing leaves the time alone", async () => {
    const environment = await create({ description: "d" });
    assert.deepEqual((await update(environment.id, { description: "d" })).body, environment);
  });

  test("the type cannot change", async () => {
    const environment = await create();
    const { status, body } = await update(environment.id, { config: { type: "self_hosted" } });
    assert.equal(status, 400);
    assert.equal(body.error.details?.error_code, "invalid_config_type_change");
  });

  test("checks the result", async () => {
    const environment = await create({ config: { type: "cloud", packages: { pip: ["a"] } } });
    const { status } = await update(environment.id, {
      config: { type: "cloud", networking: { type: "limited" } },
    });
    assert.equal(status, 400);
  });

  test("updates at once lose nothing", async () => {
    const environment = await create();
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => update(environment.id, { metadata: { [key]: "x" } })));
    const { body } = await call("GET", `/v1/environments/${environment.id}`);
    assert.deepEqual(Object.keys(body.metadata).sort(), keys);
  });
});

describe("archive, delete and list", () => {
  test("an archived one is read-only; archiving again changes nothing", async () => {
    const environment = await create();
    const archived = (await call("POST", `/v1/environments/${environment.id}/archive`)).body;
    assert.deepEqual({ ...archived, archived_at: null }, environment);
    assert.deepEqual((await call("POST", `/v1/environments/${environment.id}/archive`)).body, archived);
    const { status, body } = await update(environment.id, {});
    assert.equal(status, 400);
    assert.equal(body.error.details?.error_code, "environment_archived");
    assert.equal((await call("DELETE", `/v1/environments/${environment.id}`)).status, 200);
  });

  test("is deleted only when no session refers to it", async () => {
    const environment = await create();
    const path = `/v1/environments/${environment.id}`;
    await api.db.query(
      {
        name: "test_session",
        text: `insert into session (workspace_id, id, agent_id, agent_version, agent, environment_id,
                                    environment_config, metadata, created_at, updated_at)
               values ('wrkspc_default', 'sesn_01user', 'agent_01x', 1, '{}', $1, '{}', '{}', now(), now())`,
      },
      [environment.id],
    );
    const refused = await call("DELETE", path);
    assert.equal(refused.status, 400);
    assert.match(refused.body.error.message, /is used by session sesn_01user/);
    await api.db.query({ name: "test_delete", text: "delete from session" }, []);
    assert.deepEqual((await call("DELETE", path)).body, {
      id: environment.id,
      type: "environment_deleted",
    });
    assert.equal((await call("GET", path)).status, 404);
    assert.equal((await call("DELETE", path)).status, 404);
  });

  test("nothing is seen from another workspace", async () => {
    const environment = await create();
    const other = { "x-api-key": "other-key" };
    for (const [method, path] of [
      ["GET", ""],
      ["POST", ""],
      ["DELETE", ""],
      ["POST", "/archive"],
    ] as const) {
      const body = method === "POST" ? {} : undefined;
      const { status } = await call(method, `/v1/environments/${environment.id}${path}`, body, other);
      assert.equal(status, 404, `${method} ${path}`);
    }
    assert.equal((await call("GET", `/v1/environments/${environment.id}`)).status, 200);
  });

  test("the list is newest first and hides archived ones", async () => {
    const first = await create();
    const second = await create();
    const third = await create();
    await call("POST", `/v1/environments/${second.id}/archive`);
    const page = (await call("GET", "/v1/environments?limit=1")).body;
    assert.deepEqual(page.data, [third]);
    const next = (await call("GET", `/v1/environments?limit=1&page=${page.next_page}`)).body;
    assert.deepEqual(next.data, [first]);
    const all = (await call("GET", "/v1/environments?limit=3&include_archived=true")).body;
    assert.deepEqual(
      all.data.map((entry) => entry.id),
      [third.id, second.id, first.id],
    );
    const foreign = await call("GET", `/v1/agents?page=${page.next_page}`);
    assert.equal(foreign.status, 400);
  });
});
