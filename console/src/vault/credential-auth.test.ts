import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CredentialAuth,
  createCredentialBody,
  createdAuth,
  updateCredentialBody,
} from "../../../src/protocol/credentials.ts";
import {
  createBody,
  type Kind,
  kinds,
  noAnswers,
  replaceBody,
  settingsBody,
  settingsOf,
} from "./credential-auth.ts";

const answers = {
  ...noAnswers,
  display_name: "GitHub",
  secret: "not-a-secret",
  hosts: "api.github.com, *.example.com",
  expires_at: "2030-01-01T10:00",
  refresh_token: "not-a-token",
  token_endpoint: "https://auth.example.com/token",
  client_id: "id",
  client_auth: "client_secret_post" as const,
  client_secret: "not-it-either",
  scope: "read",
};
const target = (kind: Kind) => (kind === "environment_variable" ? "TOKEN" : "https://mcp.example.com/");

test("what is asked for makes a credential of each kind, and what replaces its secret is taken", () => {
  for (const kind of Object.keys(kinds) as Kind[])
    for (const given of [
      { ...answers, target: target(kind) },
      { ...noAnswers, target: target(kind), secret: "s" },
    ]) {
      const body = createCredentialBody.parse(createBody(kind, given));
      assert.equal(body.auth.type, kind);
      const auth: CredentialAuth = createdAuth(body.auth);
      const update = updateCredentialBody.parse(replaceBody(auth, { ...given, client_secret: "another" }));
      assert.equal(update.auth?.type, kind);
      const text = JSON.stringify(auth);
      for (const secret of [answers.secret, answers.refresh_token, answers.client_secret])
        assert.ok(!text.includes(secret));
    }
});

test("what is left empty stays", () => {
  const auth = createdAuth(
    createCredentialBody.parse(createBody("mcp_oauth", { ...answers, target: target("mcp_oauth") })).auth,
  );
  assert.deepEqual(replaceBody(auth, { ...noAnswers, refresh_token: "new" }), {
    auth: { type: "mcp_oauth", refresh: { refresh_token: "new" } },
  });
});

test("of what is not secret only what was changed is sent", () => {
  for (const hosts of ["", "a.example.com *.example.com"]) {
    const { auth: params } = createCredentialBody.parse(
      createBody("environment_variable", { ...answers, hosts, target: "TOKEN" }),
    );
    const shown = { auth: createdAuth(params), display_name: null };
    const settings = settingsOf(shown.auth);
    assert.ok(settings);
    assert.deepEqual(settingsBody(shown, "", settings), {});
    assert.deepEqual(settingsBody(shown, "name", settings), { display_name: "name" });
    const wider = updateCredentialBody.parse(
      settingsBody(shown, "", { ...settings, hosts: "b.example.com" }),
    );
    assert.deepEqual(wider.auth, {
      type: "environment_variable",
      networking: { type: "limited", allowed_hosts: ["b.example.com"] },
    });
    const header = updateCredentialBody.parse(settingsBody(shown, "", { ...settings, body: false }));
    assert.deepEqual(header.auth, {
      type: "environment_variable",
      injection_location: { header: true, body: false },
    });
  }
});
