import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { driverEnvironment } from "./config/driver.ts";
import { resolveModel } from "./config/models.ts";
import { ConfigError, readConfig } from "./config.ts";

const root = { uid: 0, home: "/root" };
const user = { uid: 1000, home: "/home/ada" };

const problemsOf = (env: NodeJS.ProcessEnv): string[] => {
  try {
    readConfig(env, root);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

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

describe("the search of a model vendor", () => {
  const search = (env: NodeJS.ProcessEnv, text = "") =>
    readConfig({ DROVER_CONFIG: "/etc/drover.yaml", ...env }, root, () => text).search;
  const problem = (env: NodeJS.ProcessEnv, text = ""): string => {
    try {
      search(env, text);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems.join("\n");
      throw error;
    }
    return "";
  };
  const keys = { DROVER_ANTHROPIC_API_KEY: "a", DROVER_OPENAI_API_KEY: "o", DROVER_GOOGLE_API_KEY: "g" };
  const vendor = (model: string) => ({ provider: "vendor", model });

  test("has a small model of its own, or the one that is said", () => {
    assert.deepEqual(search({ ...keys, DROVER_SEARCH: "anthropic" }), vendor("anthropic/claude-haiku-5-5"));
    assert.deepEqual(search({ ...keys, DROVER_SEARCH: "openai" }), vendor("openai/gpt-5.4-mini"));
    assert.deepEqual(search({ ...keys, DROVER_SEARCH: "google" }), vendor("google/gemini-3.5-flash-lite"));
    assert.deepEqual(search({ ...keys, DROVER_SEARCH_MODEL: "claude-x" }), vendor("claude-x"));
    const both = { DROVER_SEARCH: "openai", DROVER_SEARCH_MODEL: "finder" };
    const aliases = "models: { aliases: { finder: openai/gpt-x } }";
    assert.deepEqual(search({ ...keys, ...both }, aliases), vendor("finder"));
    const work = "models: { providers: { work: { type: google, api_key: k } } }";
    assert.deepEqual(search({ DROVER_SEARCH: "work" }, work), vendor("work/gemini-3.5-flash-lite"));
  });

  test("is refused where it cannot be, with what to do", () => {
    const types = "models: { providers: { aws: { type: bedrock, region: x, api_key: k } } }";
    for (const [env, says, text] of [
      [{ DROVER_SEARCH: "mistral" }, /^DROVER_SEARCH: mistral is of the type mistral, .* use searxng, brave/],
      [{ DROVER_SEARCH: "aws" }, /^DROVER_SEARCH: aws is of the type bedrock/, types],
      [{ DROVER_SEARCH_MODEL: "aws/x" }, /^DROVER_SEARCH_MODEL: aws is of the type bedrock/, types],
      [{ DROVER_SEARCH: "google" }, /^DROVER_SEARCH: needs DROVER_GOOGLE_API_KEY/],
      [{ DROVER_SEARCH_MODEL: "google/x" }, /^DROVER_SEARCH_MODEL: needs DROVER_GOOGLE_API_KEY/],
      [{ DROVER_SEARCH_MODEL: "simulated" }, /^DROVER_SEARCH_MODEL: "simulated" cannot search/],
      [{ DROVER_SEARCH_MODEL: "nobody/x" }, /^DROVER_SEARCH_MODEL: "nobody\/x" is no model's id/],
      [{ ...keys, DROVER_SEARCH: "google", DROVER_SEARCH_MODEL: "openai/x" }, /is a model of openai/],
      [{ DROVER_SEARCH: "brave", DROVER_SEARCH_KEY: "k", DROVER_SEARCH_MODEL: "x" }, /of no use with brave/],
      [
        { ...keys, DROVER_SEARCH: "openai", DROVER_SEARCH_KEY: "k" },
        /^DROVER_SEARCH_KEY: .*providers\.openai/,
      ],
      [{ ...keys, DROVER_SEARCH: "openai", DROVER_SEARCH_URL: "http://x/" }, /^DROVER_SEARCH_URL: /],
    ] as const) {
      assert.match(problem(env, text), says);
    }
  });
});

describe("the web section of the configuration file", () => {
  const read = (text: string, env: NodeJS.ProcessEnv = {}) =>
    readConfig({ DROVER_CONFIG: "/etc/drover.yaml", ...env }, root, () => text);
  const problem = (text: string, env: NodeJS.ProcessEnv = {}): string => {
    try {
      read(text, env);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems.join("\n");
      throw error;
    }
    return "";
  };

  test("says who searches and what may be reached", () => {
    const { search, allow_private_hosts } = read(
      "web: { search: { provider: brave, key_env: DROVER_BRAVE }, allow_private_hosts: [wiki.corp, 10.1.0.0/16] }",
      { DROVER_BRAVE: "b" },
    );
    assert.deepEqual(search, { provider: "brave", key: "b", url: "https://api.search.brave.com/" });
    assert.deepEqual(allow_private_hosts, ["wiki.corp", "10.1.0.0/16"]);
    const model = read("web: { search: { model: claude-x } }", { DROVER_ANTHROPIC_API_KEY: "k" });
    assert.deepEqual(model.search, { provider: "vendor", model: "claude-x" });
  });

  test("gives way to the variables, one by one, and whole to another provider", () => {
    const text = `web: { search: { provider: brave, key: "f", url: "http://f/" }, allow_private_hosts: [wiki.corp] }`;
    const over = read(text, { DROVER_SEARCH_KEY: "e", DROVER_ALLOW_PRIVATE_HOSTS: "10.0.0.1" });
    assert.deepEqual(over.search, { provider: "brave", key: "e", url: "http://f/" });
    assert.deepEqual(over.allow_private_hosts, ["10.0.0.1"]);
    const other = read(text, { DROVER_SEARCH: "searxng", DROVER_SEARCH_URL: "http://e/" });
    assert.deepEqual(other.search, { provider: "searxng", url: "http://e/" });
    assert.match(problem(text, { DROVER_SEARCH: "searxng" }), /^DROVER_SEARCH_URL: say where/);
  });

  test("names what is wrong in it", () => {
    for (const [text, says] of [
      ["web: { search: { provider: searxng } }", "web.search.url: say where"],
      ["web: { search: { provider: brave, key_env: NOT_SET } }", "web.search.key: Brave needs"],
      ["web: { search: { provider: brave, key: a, key_env: B } }", "web.search.key_env: must not be set"],
      ["web: { search: { provider: bing } }", "web.search.provider: must be searxng, brave"],
      ["web: { search: { url: nowhere } }", "web.search.url: must be an http"],
      ["web: { allow_private_hosts: ['*.corp'] }", "web.allow_private_hosts.0: must be a host name"],
      ["web: { fetch: {} }", "web.fetch: is not a setting"],
    ] as const) {
      assert.equal(problem(text).startsWith(`/etc/drover.yaml: ${says}`), true, problem(text));
    }
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

describe("sandbox hosts on other machines", () => {
  const files = {
    DROVER_HANDS_CA: "/c/ca.crt",
    DROVER_HANDS_CERT: "/c/serve.crt",
    DROVER_HANDS_KEY: "/c/serve.key",
  };
  const tls = { ca: "/c/ca.crt", cert: "/c/serve.crt", key: "/c/serve.key" };

  test("are none, unless they are named with the files by which they are known", () => {
    assert.deepEqual(readConfig({}, root).hands, {
      hosts: [],
      tls: null,
      host_gone_ms: 30_000,
      sandboxes_max: null,
    });
    const given = { ...files, DROVER_HANDS_HOSTS: "a.internal:8401, [fd00::2]:1", DROVER_HOST_GONE: "12" };
    assert.deepEqual(readConfig(given, root).hands, {
      hosts: [
        { host: "a.internal", port: 8401 },
        { host: "fd00::2", port: 1 },
      ],
      tls,
      host_gone_ms: 12_000,
      sandboxes_max: null,
    });
  });

  test("may be in the file, and the variables hold before it", () => {
    const file = JSON.stringify({ hands: { hosts: ["a:1"], ...tls, host_gone_seconds: 5 } });
    const read = (env: NodeJS.ProcessEnv) =>
      readConfig({ DROVER_CONFIG: "/drover.yaml", ...env }, root, () => file).hands;
    assert.deepEqual(read({}), {
      hosts: [{ host: "a", port: 1 }],
      tls,
      host_gone_ms: 5_000,
      sandboxes_max: null,
    });
    const over = read({ DROVER_HANDS_HOSTS: "b:2", DROVER_HANDS_KEY: "/other.key" });
    assert.deepEqual([over.hosts, over.tls?.key], [[{ host: "b", port: 2 }], "/other.key"]);
  });

  test("run as many sandboxes as is said, by the variable or the file", () => {
    const inFile = (env: NodeJS.ProcessEnv) =>
      readConfig({ DROVER_CONFIG: "/drover.yaml", ...env }, root, () => "hands: { sandboxes_max: 100 }")
        .hands;
    assert.equal(readConfig({}, root).hands.sandboxes_max, null);
    assert.equal(inFile({}).sandboxes_max, 100);
    assert.equal(inFile({ DROVER_SANDBOXES_MAX: "200" }).sandboxes_max, 200);
  });

  test("that are miswritten or half known are refused", () => {
    for (const [env, expected] of [
      [{ ...files, DROVER_HANDS_HOSTS: "a" }, /^DROVER_HANDS_HOSTS: each must be host:port, such as/],
      [{ ...files, DROVER_HANDS_HOSTS: "a:70000" }, /^DROVER_HANDS_HOSTS: each must be host:port/],
      [{ ...files, DROVER_HANDS_HOSTS: "a:1,a:1" }, /^DROVER_HANDS_HOSTS: names a:1 twice/],
      [{ DROVER_HANDS_HOSTS: "a:1" }, /^DROVER_HANDS_CA: is missing: other hosts .*`drover certs`/],
      [{ ...files, DROVER_HANDS_KEY: "" }, /^DROVER_HANDS_KEY: is missing: the three go together/],
      [{ ...files, DROVER_HANDS_KEY: "key" }, /^DROVER_HANDS_KEY: must be an absolute path/],
      [{ DROVER_HOST_GONE: "0" }, /^DROVER_HOST_GONE: must be a number of seconds from 1 to 3600/],
      [{ DROVER_SANDBOXES_MAX: "0" }, /^DROVER_SANDBOXES_MAX: must be a whole number from 1 to 10000/],
    ] as const) {
      const problems = problemsOf(env);
      assert.ok(
        problems.some((problem) => expected.test(problem)),
        `${expected}: ${problems}`,
      );
    }
  });
});

describe("the driver of this machine's sandboxes", () => {
  const inFile = (hands: object, env: NodeJS.ProcessEnv = {}) =>
    readConfig({ DROVER_CONFIG: "/drover.yaml", ...env }, root, () => JSON.stringify({ hands })).driver;

  test("is bubblewrap, unless another one is named", () => {
    const docker = { socket: "/var/run/docker.sock", image: null, runtime: null };
    assert.deepEqual(readConfig({}, root).driver, { name: "bubblewrap", docker });
    assert.deepEqual(inFile({ driver: "gvisor" }), { name: "gvisor", docker });
    const given = {
      driver: "docker",
      docker: { host: "unix:///run/d.sock", image: "debian:12", runtime: "runsc" },
    };
    const settings = {
      name: "docker",
      docker: { socket: "/run/d.sock", image: "debian:12", runtime: "runsc" },
    };
    assert.deepEqual(inFile(given), settings);
    assert.deepEqual(readConfig(driverEnvironment(inFile(given)), root).driver, settings);
    assert.equal(inFile(given, { DROVER_DRIVER: "gvisor", DROVER_DOCKER_IMAGE: "other" }).name, "gvisor");
  });

  test("is refused where it is none, or an engine is on another machine", () => {
    const of = (env: NodeJS.ProcessEnv) => problemsOf(env).join();
    assert.match(
      of({ DROVER_DRIVER: "podman" }),
      /^DROVER_DRIVER: must be one of bubblewrap, gvisor, docker/,
    );
    assert.match(of({ DROVER_DOCKER_HOST: "tcp://1.2.3.4:2375" }), /^DROVER_DOCKER_HOST: must be unix:/);
  });
});

describe("sandboxes", () => {
  const sandboxesIn = (sandboxes: object) =>
    readConfig({ DROVER_CONFIG: "/drover.yaml" }, root, () => JSON.stringify({ sandboxes })).sandboxes;

  test("have defaults and a maximum, each of which the file can change", () => {
    const built = readConfig({}, root).sandboxes;
    assert.deepEqual(sandboxesIn({}), built);
    assert.deepEqual(sandboxesIn({ network: { bytes_max_mb: 10 } }).network, {
      ...built.network,
      bytes_max_mb: 10,
    });
    const { defaults, maximum } = sandboxesIn({ defaults: { cpu: 2 }, maximum: { cpu: 3, processes: 100 } });
    assert.deepEqual(defaults, { ...built.defaults, cpu: 2, processes: 100 });
    assert.deepEqual(maximum, { ...built.maximum, cpu: 3, processes: 100 });
    const { defaults: bounded } = sandboxesIn({ maximum: { cpu: 3, memory_mb: 100, disk_mb: 1_000 } });
    assert.deepEqual(bounded, { ...built.defaults, cpu: 3, memory_mb: 100, disk_mb: 1_000 });
  });

  test("a default above the maximum, or without a limit where there is one, is refused by its name", () => {
    const refused = (sandboxes: object, problem: RegExp) =>
      assert.throws(
        () => sandboxesIn(sandboxes),
        (error: ConfigError) => error.problems.every((each) => problem.test(each)),
      );
    refused(
      { defaults: { memory_mb: 40_000 } },
      /sandboxes\.defaults\.memory_mb: is 40000, more than .*32768/,
    );
    refused({ network: { connections_max: 0 } }, /sandboxes\.network\.connections_max/);
    refused({ network: { bytes_max_mb: 0.5 } }, /sandboxes\.network\.bytes_max_mb/);
    refused({ defaults: { disk_mb: null } }, /sandboxes\.defaults\.disk_mb: is no limit/);
    refused({ maximum: { cpus: 1 } }, /sandboxes\.maximum\.cpus: is not a setting/);
    refused(
      { package_hosts: ["https://a/"] },
      /sandboxes\.package_hosts\.0: must be a host name, or one under/,
    );
  });

  test("reach the registries that the file names, and those of the variable instead", () => {
    const file = () => JSON.stringify({ sandboxes: { package_hosts: ["mirror.corp"] } });
    const hostsOf = (env: NodeJS.ProcessEnv) =>
      readConfig({ DROVER_CONFIG: "/drover.yaml", ...env }, root, file).sandboxes.package_hosts;
    assert.deepEqual(readConfig({}, root).sandboxes.package_hosts, []);
    assert.deepEqual(hostsOf({}), ["mirror.corp"]);
    assert.deepEqual(hostsOf({ DROVER_PACKAGE_HOSTS: "a.corp, *.b.corp" }), ["a.corp", "*.b.corp"]);
    assert.throws(
      () => hostsOf({ DROVER_PACKAGE_HOSTS: "a:80" }),
      /DROVER_PACKAGE_HOSTS: each must be a host name/,
    );
  });
});
