import assert from "node:assert/strict";
import { describe, test } from "node:test";
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
    assert.equal(config.anthropic, null);
    assert.equal(readConfig({}, user).data_dir, "/home/ada/.local/share/drover");
    assert.equal(readConfig({ XDG_DATA_HOME: "/data" }, user).data_dir, "/data/drover");
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
    assert.equal(readConfig({}, root).judge_model, null);
    const key = { DROVER_ANTHROPIC_API_KEY: "sk-x" };
    assert.equal(
      readConfig({ ...key, DROVER_JUDGE_MODEL: "claude-haiku-5-5" }, root).judge_model,
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
    assert.equal(readConfig({ ANTHROPIC_API_KEY: "drover-key-x" }, root).anthropic, null);
    assert.equal(readConfig({ ANTHROPIC_API_KEY: ours, DROVER_API_KEY: ours }, root).anthropic, null);
    assert.equal(readConfig({ ANTHROPIC_API_KEY: "sk-theirs" }, root).anthropic?.api_key, "sk-theirs");
    assert.equal(problemsOf({ DROVER_ANTHROPIC_API_KEY: "drover-key-x" }).length, 1);
    const both = { DROVER_ANTHROPIC_API_KEY: "sk-one", ANTHROPIC_API_KEY: "sk-two" };
    assert.equal(readConfig(both, root).anthropic?.api_key, "sk-one");
  });

  test("keep socket paths short, however long the data directory's is", () => {
    const long = `/${"x".repeat(200)}`;
    for (const machine of [root, user]) {
      const { runtime_dir } = readConfig({ DROVER_DATA_DIR: long, XDG_RUNTIME_DIR: long }, machine);
      assert.ok(`${runtime_dir}/.s.PGSQL.5432.lock`.length < 107);
    }
  });
});
