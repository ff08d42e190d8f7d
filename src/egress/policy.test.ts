import assert from "node:assert/strict";
import { test } from "node:test";
import type { OpenNetwork } from "../net/egress-wire.ts";
import { packageHosts } from "./package-hosts.ts";
import { judge } from "./policy.ts";

const registries = [...packageHosts, "*.mirror.example"];
const open: OpenNetwork = { type: "unrestricted" };
const only = (hosts: string[], package_managers = false): OpenNetwork => ({
  type: "limited",
  hosts,
  package_managers,
});
const allows = (host: string, network: OpenNetwork, port = 443) =>
  judge({ host, port }, network, registries) === null;

test("unrestricted is every host, on the ports that are open", () => {
  for (const port of [22, 80, 443, 1_024, 8_080, 65_535])
    assert.ok(allows("a.example", open, port), `${port}`);
  for (const port of [1, 21, 23, 25, 53, 110, 465, 587, 1_023]) {
    assert.match(judge({ host: "a.example", port }, open, []) ?? "", /^port \d+ is closed to every sandbox/);
  }
});

test("limited is the hosts that it names, in whatever case, and none beside them", () => {
  const network = only(["A.example", "b.example.", "10.1.2.3"]);
  for (const host of ["a.example", "b.example", "10.1.2.3"]) assert.ok(allows(host, network), host);
  for (const host of ["example", "x.a.example", "aa.example", "a.example.org", "c.example", "10.1.2.30", ""])
    assert.ok(!allows(host, network), host);
  assert.ok(!allows("a.example", network, 25));
  assert.ok(!allows("a.example", only([])));
});

test("a wildcard is all names under one, at any depth, and neither that one nor an address", () => {
  const network = only(["*.Example.com", "*.3"]);
  for (const host of ["a.example.com", "a.b.example.com"]) assert.ok(allows(host, network), host);
  for (const host of ["example.com", "badexample.com", "example.com.evil.org", "10.1.2.3"])
    assert.ok(!allows(host, network), host);
});

test("registries are open where package managers are, and where they are not it is said how to open them", () => {
  for (const host of [
    "deb.debian.org",
    "registry.npmjs.org",
    "pypi.org",
    "fr.archive.ubuntu.com",
    "apt.mirror.example",
  ]) {
    assert.ok(allows(host, only([], true)), host);
    assert.match(
      judge({ host, port: 443 }, only([]), registries) ?? "",
      /turn on allow_package_managers/,
      host,
    );
  }
  const problem = judge({ host: "evil.example", port: 443 }, only([], true), registries);
  assert.match(problem ?? "", /not one of the allowed_hosts .* under config\.networking$/);
});
