import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../config.ts";
import { egressEnvironment, linkEnvironment, shownProxy } from "./egress.ts";
import { root } from "./testing.ts";

const read = (env: NodeJS.ProcessEnv, file = "{}") =>
  readConfig({ DROVER_CONFIG: "/drover.yaml", ...env }, root, () => file);

test("the proxy of egress is what the file says, and the variables instead", () => {
  assert.equal(read({}).egress_proxy, null);
  const text = JSON.stringify({ egress: { proxy: "http://proxy.corp:3128", no_proxy: ["10.0.0.0/8"] } });
  const ofFile = {
    host: "proxy.corp",
    port: 3128,
    credentials: null,
    except: ["10.0.0.0/8"],
    names: "egress",
  };
  assert.deepEqual(read({}, text).egress_proxy, ofFile);
  const ofEnv = read(
    {
      DROVER_EGRESS_PROXY: "http://a%40b:p%3Aw@other.corp",
      DROVER_EGRESS_NO_PROXY: "wiki.corp",
      DROVER_EGRESS_NAMES: "proxy",
    },
    text,
  ).egress_proxy;
  assert.deepEqual(ofEnv, {
    ...{ host: "other.corp", port: 80, credentials: { user: "a@b", password: "p:w" } },
    ...{ except: ["wiki.corp"], names: "proxy" },
  });
  assert.ok(ofEnv);
  assert.deepEqual(read(egressEnvironment(ofEnv)).egress_proxy, ofEnv);
  assert.equal(shownProxy(ofEnv), "http://***@other.corp:80");
});

test("one that cannot be used is refused, and not repeated", () => {
  for (const wrong of ["https://a:secret@b:1", "socks5://a", "http://b:1/path", "b:1", "http://%zz:secret@b"])
    assert.throws(
      () => read({ DROVER_EGRESS_PROXY: wrong }),
      (error: Error) =>
        /DROVER_EGRESS_PROXY: must be http:/.test(error.message) && !/secret/.test(error.message),
      wrong,
    );
});

test("egress processes know each other by what the file says, and by the variables instead", () => {
  assert.deepEqual(read({}).egress_link, { listen: null, upstream: [], tls: null });
  const tls = { ca: "/c/ca.crt", cert: "/c/host.crt", key: "/c/host.key" };
  const text = JSON.stringify({ egress: { upstream: ["10.0.0.1:8402", "[fd00::1]:8402"], ...tls } });
  const places = [
    { host: "10.0.0.1", port: 8_402 },
    { host: "fd00::1", port: 8_402 },
  ];
  const { egress_link } = read({}, text);
  assert.deepEqual(egress_link, { listen: null, upstream: places, tls });
  assert.deepEqual(read(linkEnvironment(egress_link)).egress_link, egress_link);
  const listening = read({
    DROVER_EGRESS_LISTEN: "0.0.0.0:8402",
    ...linkEnvironment({ ...egress_link, upstream: [] }),
  });
  assert.deepEqual(listening.egress_link.listen, { host: "0.0.0.0", port: 8_402 });
  assert.deepEqual(read(linkEnvironment(listening.egress_link)).egress_link, listening.egress_link);
  assert.throws(
    () => read({ DROVER_EGRESS_UPSTREAM: "a:1" }),
    /DROVER_EGRESS_CA: is missing: other machines/,
  );
  assert.throws(() => read({ DROVER_EGRESS_CA: "/c/ca.crt" }), /DROVER_EGRESS_KEY: is missing: the three go/);
  assert.throws(() => read({ DROVER_EGRESS_LISTEN: "0.0.0.0:8402" }, text), /set one of them/);
  assert.throws(
    () => read({ DROVER_EGRESS_UPSTREAM: "a" }),
    /DROVER_EGRESS_UPSTREAM: each must be host:port/,
  );
});

test("mirrors are what the file says, and the variables instead; their hosts are registries", () => {
  const text = JSON.stringify({
    sandboxes: { mirrors: { pip: "https://pypi.corp/simple", npm: "https://npm.corp/" } },
  });
  const { mirrors, package_hosts } = read(
    { DROVER_MIRROR_PIP: "http://other.corp:8080/simple" },
    text,
  ).sandboxes;
  assert.deepEqual(mirrors, { npm: "https://npm.corp/", pip: "http://other.corp:8080/simple" });
  assert.deepEqual(package_hosts.sort(), ["npm.corp", "other.corp"]);
  assert.throws(
    () => read({ DROVER_MIRROR_GO: "https://a:b@go.corp" }),
    /DROVER_MIRROR_GO: must be .* without user/,
  );
});
