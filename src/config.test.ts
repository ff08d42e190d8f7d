import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { resolveModel } from "./config/models.ts";
import { problemsOf, root } from "./config/testing.ts";
import { ConfigError, readConfig } from "./config.ts";

const user = { uid: 1000, home: "/home/ada" };

describe("settings", () => {
  test("have defaults that need nothing", () => {
    const config = readConfig({}, root);
    assert.equal(config.port, 8400);
    assert.equal(config.host, "127.0.0.1");
    assert.equal(config.data_dir, "/var/lib/drover");
    assert.deepEqual(
      [...config.models.providers.values()].map(({ name, api_key }) => [name, api_key]),
      ["anthropic", "openai", "google", "mistral"].map((name) => [name, null]),
    );
    assert.equal(readConfig({}, user).data_dir, "/home/ada/.local/share/drover");
    assert.equal(readConfig({ XDG_DATA_HOME: "/data" }, user).data_dir, "/data/drover");
  });

  test("how a proxy of egress is used is nothing without one", () => {
    assert.deepEqual(problemsOf({ DROVER_EGRESS_NO_PROXY: "10.1.0.0/16", DROVER_EGRESS_NAMES: "proxy" }), [
      "DROVER_EGRESS_NO_PROXY: is about a proxy, and DROVER_EGRESS_PROXY names none",
      "DROVER_EGRESS_NAMES: is about a proxy, and DROVER_EGRESS_PROXY names none",
    ]);
    assert.equal(readConfig({ DROVER_EGRESS_NO_PROXY: "" }, root).egress_proxy, null);
  });

  test("say where metrics are, if anywhere", () => {
    assert.equal(readConfig({}, root).metrics, null);
    const set = { DROVER_METRICS: "[::1]:9464" };
    assert.deepEqual(readConfig(set, root).metrics, { host: "::1", port: 9464 });
    assert.deepEqual(problemsOf({ DROVER_METRICS: "9464" }), [
      "DROVER_METRICS: must be host:port, such as 127.0.0.1:9464",
    ]);
    assert.match(problemsOf({ DROVER_METRICS: "127.0.0.1:8400" })[0] ?? "", /is the address of the API/);
  });

  test("say where workspaces are kept, and how long", () => {
    const { storage, workspace_days } = readConfig({ DROVER_DATA_DIR: "/data" }, root);
    assert.deepEqual([storage, workspace_days], ["/data/storage", 30]);
    const set = { DROVER_STORAGE: "/mnt/shared/", DROVER_WORKSPACE_DAYS: "7" };
    assert.equal(readConfig(set, root).storage, "/mnt/shared");
    assert.equal(readConfig(set, root).workspace_days, 7);
    assert.deepEqual(problemsOf({ DROVER_STORAGE: "shared", DROVER_WORKSPACE_DAYS: "0.5" }), [
      "DROVER_STORAGE: must be an absolute path",
      "DROVER_WORKSPACE_DAYS: must be a whole number of days from 1 to 3650",
    ]);
  });

  test("say after how long a silent worker has lost its work", () => {
    assert.equal(readConfig({}, root).work_lease_ms, 60_000);
    assert.equal(readConfig({ DROVER_WORK_LEASE: "20" }, root).work_lease_ms, 20_000);
    assert.deepEqual(problemsOf({ DROVER_WORK_LEASE: "4" }), [
      "DROVER_WORK_LEASE: must be a whole number of seconds from 5 to 600",
    ]);
  });

  test("that are wrong are all named at once, with what is allowed", () => {
    const problems = problemsOf({
      DROVER_PORT: "0",
      DROVER_LOG: "loud",
      DATABASE_URL: "mysql://x",
      DROVER_PROT: "1",
      DROVER_MODLE: "x",
      DROVER_HOST: "0.0.0.0",
      DROVER_ANTHROPIC_API_KEY: "drover-key-x",
    });
    assert.equal(problems.length, 7);
    assert.match(problems.join("\n"), /DROVER_PROT: is not a setting; did you mean DROVER_PORT\?/);
    assert.match(problems.join("\n"), /DROVER_MODLE: is not a setting; did you mean DROVER_MODEL\?/);
    assert.match(problems.join("\n"), /DROVER_LOG: must be one of/);
  });

  test("name the judge's model, and what it needs", () => {
    assert.equal(readConfig({}, root).models.judge, null);
    const key = { DROVER_ANTHROPIC_API_KEY: "sk-x" };
    assert.equal(
      readConfig({ ...key, DROVER_JUDGE_MODEL: "claude-haiku-5-5" }, root).models.judge,
      "claude-haiku-5-5",
    );
    assert.match(
      problemsOf({ DROVER_JUDGE_MODEL: "claude-haiku-5-5" })[0] ?? "",
      /needs DROVER_ANTHROPIC_API_KEY/,
    );
    assert.match(problemsOf({ DROVER_JUDGE_MODEL: "simulated" })[0] ?? "", /DROVER_JUDGE_MODEL: must be/);
  });

  test("let others reach the server only with a key that was chosen", () => {
    assert.equal(problemsOf({ DROVER_HOST: "0.0.0.0" }).length, 1);
    assert.equal(problemsOf({ DROVER_HOST: "0.0.0.0", DROVER_API_KEY: "0123456789abcdef" }).length, 0);
    assert.equal(problemsOf({ DROVER_HOST: "::1" }).length, 0);
  });

  test("never take a key of Drover's for one of Anthropic's", () => {
    const ours = "0123456789abcdef";
    const keyIn = (env: NodeJS.ProcessEnv) =>
      readConfig(env, root).models.providers.get("anthropic")?.api_key;
    assert.equal(keyIn({ ANTHROPIC_API_KEY: "drover-key-x" }), null);
    assert.equal(keyIn({ ANTHROPIC_API_KEY: ours, DROVER_API_KEY: ours }), null);
    assert.equal(keyIn({ ANTHROPIC_API_KEY: "sk-theirs" }), "sk-theirs");
    assert.equal(problemsOf({ DROVER_ANTHROPIC_API_KEY: "drover-key-x" }).length, 1);
    assert.equal(keyIn({ DROVER_ANTHROPIC_API_KEY: "sk-one", ANTHROPIC_API_KEY: "sk-two" }), "sk-one");
  });

  test("keep socket paths short, however long the data directory's is", () => {
    const long = `/${"x".repeat(200)}`;
    for (const machine of [root, user]) {
      const { runtime_dir } = readConfig({ DROVER_DATA_DIR: long, XDG_RUNTIME_DIR: long }, machine);
      assert.ok(`${runtime_dir}/.s.PGSQL.5432.lock`.length < 107);
    }
  });

  test("open private hosts by name, address and subnet", () => {
    assert.deepEqual(readConfig({}, root).allow_private_hosts, []);
    assert.deepEqual(
      readConfig({ DROVER_ALLOW_PRIVATE_HOSTS: "wiki.corp, 10.0.0.7,fd00::/8 localhost" }, root)
        .allow_private_hosts,
      ["wiki.corp", "10.0.0.7", "fd00::/8", "localhost"],
    );
    for (const wrong of [
      "10.0.0.0/33",
      "::/129",
      "wiki.corp/8",
      "http://wiki",
      "*.corp",
      "wiki:80",
      "wiki.",
      "[::1]",
      "fe80::1%eth0",
      "256.1.1.1",
      "10.0.0",
      "10.0.0.1-9",
      "0x7f.1",
      "2130706433",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "10.0.0.0/-1",
    ]) {
      assert.match(problemsOf({ DROVER_ALLOW_PRIVATE_HOSTS: wrong })[0] ?? "", /must be host names/, wrong);
    }
  });

  test("name a search provider with what it needs", () => {
    assert.equal(readConfig({}, root).search, null);
    const url = "https://search.example/";
    assert.deepEqual(readConfig({ DROVER_SEARCH: "searxng", DROVER_SEARCH_URL: url }, root).search, {
      provider: "searxng",
      url,
    });
    assert.deepEqual(readConfig({ DROVER_SEARCH: "brave", DROVER_SEARCH_KEY: "k" }, root).search, {
      provider: "brave",
      url: "https://api.search.brave.com/",
      key: "k",
    });
    assert.match(problemsOf({ DROVER_SEARCH: "searxng" })[0] ?? "", /DROVER_SEARCH_URL/);
    assert.match(problemsOf({ DROVER_SEARCH: "brave" })[0] ?? "", /DROVER_SEARCH_KEY/);
    assert.match(problemsOf({ DROVER_SEARCH: "bing" })[0] ?? "", /^DROVER_SEARCH: must be searxng, brave/);
    assert.match(problemsOf({ DROVER_SEARCH_KEY: "k" })[0] ?? "", /DROVER_SEARCH: say which/);
  });
});

describe("the configuration file", () => {
  const read = (text: string, env: NodeJS.ProcessEnv = {}) =>
    readConfig({ DROVER_CONFIG: "/etc/drover.yaml", ...env }, root, () => text).models;

  const problemsIn = (text: string, env: NodeJS.ProcessEnv = {}): string[] => {
    try {
      read(text, env);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
    return [];
  };

  const whole = `
models:
  providers:
    anthropic: { type: anthropic, max_concurrency: 8 }
    work: { type: openai, api_key_env: WORK_KEY, requests_per_minute: 60 }
    local: { type: openai-compatible, base_url: "http://127.0.0.1:11434/v1" }
    aws: { type: bedrock, region: eu-west-1, api_key: secret }
  aliases:
    default: local/qwen3:32b
    claude-opus-4-7: aws/anthropic.claude-opus-4-7
  fallbacks:
    claude-opus-5-5: [aws/anthropic.claude-opus-5-5, default]
  judge: work/gpt-5-mini
`;

  test("says who serves models, under which names, and who steps in", () => {
    const models = read(whole, { WORK_KEY: "sk-work", DROVER_ANTHROPIC_API_KEY: "sk-ant" });
    const about = (name: string) => {
      const { type, api_key, max_concurrency, requests_per_minute } =
        models.providers.get(name) ?? assert.fail();
      return [type, api_key, max_concurrency, requests_per_minute];
    };
    assert.deepEqual(about("anthropic"), ["anthropic", "sk-ant", 8, null]);
    assert.deepEqual(about("work"), ["openai", "sk-work", null, 60]);
    assert.deepEqual(about("local"), ["openai-compatible", null, null, null]);
    assert.equal(models.providers.get("aws")?.region, "eu-west-1");
    assert.equal(models.judge, "work/gpt-5-mini");
    assert.deepEqual(resolveModel("default", models), { provider: "local", model: "qwen3:32b" });
    assert.deepEqual(resolveModel("claude-opus-4-7", models), {
      provider: "aws",
      model: "anthropic.claude-opus-4-7",
    });
    assert.deepEqual(resolveModel("claude-opus-4-8", models), {
      provider: "anthropic",
      model: "claude-opus-4-8",
    });
    assert.equal(resolveModel("nobody/x", models), null);
  });

  test("may be empty", () => assert.equal(read("").aliases.size, 0));

  for (const [what, text, problem] of [
    ["a type", "models: { providers: { x: { type: opneai } } }", "models.providers.x.type: must be one of"],
    ["a name", "models: { providers: { X: { type: openai } } }", "models.providers.X: must be lower-case"],
    ["a key", "models: { providers: { x: { type: openai, key: a } } }", "models.providers.x.key: is not a"],
    ["a section", "modles: {}", "modles: is not a setting"],
    [
      "an address that is needed",
      "models: { providers: { x: { type: openai-compatible } } }",
      "models.providers.x.base_url: must be",
    ],
    [
      "a number",
      "models: { providers: { x: { type: openai, max_concurrency: 0 } } }",
      "models.providers.x.max_concurrency: must be at least 1",
    ],
    [
      "two keys",
      "models: { providers: { x: { type: openai, api_key: a, api_key_env: B } } }",
      "models.providers.x.api_key_env: must not be set together",
    ],
    ["an alias", "models: { aliases: { default: nobody/x } }", "models.aliases.default: "],
    ["a circle", "models: { aliases: { a: b, b: a } }", "models.aliases.a: leads back to itself"],
    ["a fallback", "models: { fallbacks: { claude-x: [simulated, gpt] } }", "models.fallbacks.claude-x.1: "],
    [
      "a small context",
      "models: { context_windows: { simulated: 10 } }",
      "models.context_windows.simulated: must be",
    ],
    ["a context of nobody", "models: { context_windows: { x: 5000 } }", "models.context_windows.x: "],
    ["a judge", "models: { judge: simulated }", "models.judge: must be"],
    ["a judge without a key", "models: { judge: openai/x }", "models.judge: needs DROVER_OPENAI_API_KEY"],
    ["YAML", "models: [", "Flow sequence"],
    ["a key twice", "models: {}\nmodels: {}", "Map keys must be unique"],
  ] as const) {
    test(`names what is wrong: ${what}`, () => {
      const problems = problemsIn(text);
      assert.ok(
        problems.some((found) => found.replace("/etc/drover.yaml: ", "").startsWith(problem)),
        problems.join("\n"),
      );
    });
  }

  test("is named when it cannot be read", () => {
    const [problem = ""] = problemsOf({ DROVER_CONFIG: "/nowhere/drover.yaml" });
    assert.match(problem, /^DROVER_CONFIG: \/nowhere\/drover.yaml cannot be read/);
  });

  test("never has its secrets told", () => {
    const text = whole.replace("type: bedrock", "type: bedrokc");
    assert.doesNotMatch(problemsIn(text, { WORK_KEY: "sk-work" }).join("\n"), /secret|sk-work/);
  });
});
