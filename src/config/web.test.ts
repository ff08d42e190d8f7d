import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError, readConfig } from "../config.ts";
import { root } from "./testing.ts";

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
