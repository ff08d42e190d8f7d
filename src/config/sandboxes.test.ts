import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ConfigError, readConfig } from "../config.ts";
import { root } from "./testing.ts";

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
