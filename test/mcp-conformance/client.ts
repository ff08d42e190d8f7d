import { authorize, type Consent } from "../../src/authorize/authorize.ts";
import type { OwnClient } from "../../src/authorize/client.ts";
import { listenForRedirect } from "../../src/authorize/redirect.ts";
import { createGuard } from "../../src/net/guard.ts";
import type { McpTool } from "../../src/protocol/mcp-tools.ts";
import { createMcp } from "../../src/tools/mcp/mcp.ts";

/**
 * The client part of a conformance run: `client.ts <url>` does with the server there what a session does, by the module that
 * brains use: lists its tools, and calls each once. Where the server wants a credential, it does what a person does who reads
 * so: runs the authorization of `drover vaults authorize`, by the module that the command uses, with the scope that the error
 * names. The browser is a program that follows redirects.
 */
const [, , address = ""] = process.argv;
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? "";
const context: Record<string, string> = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const server = { name: "conformance", url: address };
const signal = AbortSignal.timeout(25_000);
let token: string | null = null;
let granted_scope: string | null = null;

const guard = createGuard({ allow_private_hosts: ["localhost", "127.0.0.1", "::1"] });
const mcp = createMcp({
  guard,
  bearers: {
    find: async () =>
      token === null ? null : { token, credential_id: "vcrd_1", vault_id: "vlt_1", secret_version: 1 },
    renew: async () => null,
    note() {},
  },
  version: "0",
  elicitation: "defaults",
});
const session = mcp.of({ workspace_id: "wrkspc_1", session_id: "sesn_1" });

let listing = await session.list(server, signal);
if (listing.status === "unauthorized") {
  await authorizeFor(listing.message);
  listing = await session.list(server, signal);
}
if (listing.status !== "listed") {
  process.stderr.write(`${JSON.stringify(listing)}\n`);
  process.exitCode = 1;
} else {
  for (const tool of listing.tools) {
    const call = { server, tool, input: inputFor(tool), starts: 0, known: listing.tools };
    let result = await session.run(call, signal);
    if (result.failure?.status === "unauthorized") {
      await authorizeFor(result.failure.message);
      result = await session.run(call, signal);
    }
    process.stdout.write(`${tool.name}: ${JSON.stringify(result)}\n`);
  }
}
await mcp.close();
await guard.close();

/** What somebody does who has read this error. */
async function authorizeFor(error: string): Promise<void> {
  const scope = /with the scope "([^"]*)"/.exec(error)?.[1] ?? null;
  const redirect = await listenForRedirect(0);
  const run = (issuer: string | null) =>
    authorize({
      server: new URL(address),
      consent: consentAt(redirect.url),
      issuer,
      scope,
      scope_before: granted_scope,
      version: "0",
      signal,
    });
  try {
    const granted = await run(null).catch((problem: Error) => {
      const issuer = /add --issuer (\S+)$/.exec(problem.message)?.[1];
      if (issuer === undefined) throw problem;
      return run(issuer);
    });
    token = granted.access_token;
    granted_scope = granted.scope;
  } finally {
    await redirect.close();
  }

  function consentAt(redirect_url: string): Consent {
    const { client_id = "", client_secret = "", private_key_pem, signing_algorithm = "" } = context;
    if (scenario.startsWith("auth/cross-app-access")) {
      const { idp_id_token = "", idp_token_endpoint = "", idp_client_id = "" } = context;
      const vouched = {
        id_token: idp_id_token,
        provider: idp_token_endpoint,
        provider_client_id: idp_client_id,
      };
      return {
        type: "client",
        client_id,
        proof: { type: "vouched", secret: client_secret, ...vouched },
      };
    }
    if (scenario.startsWith("auth/client-credentials")) {
      const proof = private_key_pem
        ? ({ type: "private_key", pem: private_key_pem, algorithm: signing_algorithm } as const)
        : ({ type: "secret", secret: client_secret } as const);
      return { type: "client", client_id, proof };
    }
    const known = { type: "known", client_id, client_secret } as const;
    return {
      type: "person",
      client: client_id === "" ? newClient() : known,
      redirect_url,
      async ask(page, state) {
        const [brought] = await Promise.all([redirect.comes(state, signal), fetch(page, { signal })]);
        return brought;
      },
    };
  }
}

/** The document is the one that the suite's own clients have. */
function newClient(): OwnClient {
  return scenario === "auth/basic-cimd"
    ? { type: "document", url: "https://conformance-test.local/client-metadata.json" }
    : { type: "new" };
}

/** A number for each number, and a word for each text. */
function inputFor({ input_schema }: McpTool): Record<string, unknown> {
  const properties = (input_schema.properties ?? {}) as Record<string, { type?: string }>;
  return Object.fromEntries(
    Object.entries(properties).map(([name, { type }], i) => [name, type === "number" ? i + 2 : "word"]),
  );
}
