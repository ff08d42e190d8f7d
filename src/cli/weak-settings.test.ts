import assert from "node:assert/strict";
import { test } from "node:test";
import { weakSettings } from "./weak-settings.ts";

const good = {
  host: "127.0.0.1",
  api_key: null,
  allow_private_hosts: [] as string[],
  log_level: "info" as const,
};
const said = (settings: Partial<Parameters<typeof weakSettings>[0]>): string =>
  weakSettings({ ...good, ...settings })
    .map(({ level, text }) => `${level}: ${text}`)
    .join("\n");

test("what is as it should be is not spoken of", () => {
  assert.equal(said({}), "");
  assert.equal(said({ host: "::1", api_key: "0123456789abcdef0123456789abcdef", log_level: "debug" }), "");
});

test("a key of the API that can be guessed is weak, and is not shown", () => {
  assert.match(
    said({ api_key: "0123456789abcdef" }),
    /^warn: DROVER_API_KEY is short: set it to what `openssl/,
  );
  assert.match(said({ api_key: "changeme".repeat(4) }), /^warn: DROVER_API_KEY has few different characters/);
  assert.doesNotMatch(said({ api_key: "0123456789abcdef" }), /0123/);
});

test("an address that others reach is one by which keys go in the clear", () => {
  for (const host of ["0.0.0.0", "::", "10.0.0.1"])
    assert.match(said({ host }), /^warn: others reach .* over plain HTTP.*set DROVER_HOST to 127\.0\.0\.1/);
});

test("private hosts are opened too widely where keys of a cloud or all of a range are among them", () => {
  const narrow = ["10.1.0.0/16", "192.168.1.7", "wiki.corp", "127.0.0.1", "fd12::/16", "172.20.0.0/16"];
  assert.equal(said({ allow_private_hosts: narrow }), "");
  for (const [entry, found] of [
    ["169.254.0.0/16", /lets agents ask 169\.254\.169\.254, where/],
    ["168.63.129.16", /ask 168\.63\.129\.16/],
    ["fd00:ec2::254", /ask fd00:ec2::254/],
    ["100.64.0.0/10", /ask 100\.100\.100\.200/],
    ["metadata.google.internal", /ask metadata\.google\.internal/],
    ["10.0.0.0/8", /^warn: .*opens all of 10\.0\.0\.0\/8 to agents: name the hosts/],
    ["fc00::/7", /opens all of fc00::\/7/],
  ] as const)
    assert.match(said({ allow_private_hosts: [entry] }), found, entry);
  assert.match(said({ allow_private_hosts: ["0.0.0.0/0"] }), /10\.0\.0\.0\/8, 172\.16\.0\.0\/12, 192\.168/);
});

test("a log of all there is is for a while", () => {
  assert.match(said({ log_level: "trace" }), /^warn: DROVER_LOG is trace.*set it to info/);
});
