import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../config.ts";
import { farHosts, unlimited } from "./examine-credentials.ts";
import { keptInEnvironment } from "./examine-secrets.ts";

const tls = { ca: "/ca", cert: "/cert", key: "/key" };
const at = { host: "10.0.0.1", port: 8402 };
const none = { listen: null, upstream: [], tls: null };
const said = (
  hands: Partial<Config["hands"]>,
  egress_link: Partial<Config["egress_link"]>,
  about: Partial<Parameters<typeof farHosts>[1]> = {},
): string =>
  farHosts(
    {
      hands: { tls: null, hosts: [], ...hands } as Config["hands"],
      egress_link: { ...none, ...egress_link },
    },
    { exposure: { unlimited: 0, sessions: 3 }, has_serve: false, ...about },
  )
    .map(({ text }) => text)
    .join();

test("a sandbox host without a way to a server is told to have one", () => {
  assert.match(said({ tls }, {}), /from this host: name an egress .* in DROVER_EGRESS_UPSTREAM$/);
  assert.equal(said({ tls }, { upstream: [at], tls }), "");
  assert.equal(said({ tls }, {}, { has_serve: true }), "");
  assert.equal(said({}, {}), "");
});

test("a server with sandbox hosts is told what their sessions lack, if they have any credential", () => {
  const hands = { tls, hosts: [at] };
  assert.match(said(hands, {}), /^3 sessions with credentials may be on .*DROVER_EGRESS_LISTEN/);
  assert.match(said(hands, {}, { exposure: null }), /^sessions with credentials may be/);
  assert.equal(said(hands, {}, { exposure: { unlimited: 0, sessions: 0 } }), "");
  assert.equal(said(hands, { listen: at, tls }), "");
});

test("variables that may go everywhere are counted", () => {
  assert.deepEqual(unlimited(null), []);
  assert.deepEqual(unlimited({ unlimited: 0, sessions: 9 }), []);
  assert.match(
    unlimited({ unlimited: 1, sessions: 9 })[0]?.text ?? "",
    /^1 variable of a vault may go to every host/,
  );
  assert.match(
    unlimited({ unlimited: 2, sessions: 9 })[0]?.text ?? "",
    /^2 variables of vaults .*allowed_hosts/,
  );
});

test("a master key is better in a file than in the environment", () => {
  assert.deepEqual(keptInEnvironment({ from: "file" }), []);
  assert.match(keptInEnvironment({ from: "environment" })[0]?.text ?? "", /DROVER_MASTER_KEY_FILE/);
});
