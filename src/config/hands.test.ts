import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readConfig } from "../config.ts";
import { driverEnvironment } from "./driver.ts";
import { problemsOf, root } from "./testing.ts";

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
