import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type FakeMcp, type FakeTool, startFakeMcp } from "../fakes/mcp.ts";
import { type Canaries, random } from "./secrets.ts";

/** Servers that serve speaks with itself. All of them say what they were told to whoever asks. */
export interface Accounts {
  /** Takes a bearer that does not change. */
  bearer: FakeMcp;
  /** Takes what the authorization server has given out last. */
  oauth: FakeMcp;
  token_endpoint: string;
  /** Forms that came to it. */
  refreshes: string[];
  /** Of a provider of models that will have none of it. */
  provider_url: string;
  /** Keys that came to it. */
  provider_keys: string[];
  close(): Promise<void>;
}

export interface Given {
  bearer: string;
  refresh_token: string;
  client_secret: string;
}

const echo = (fake: () => FakeMcp | undefined, input: unknown): string => {
  const said = JSON.stringify(
    fake()
      ?.reached.map(({ authorization }) => authorization)
      .at(-1),
  );
  return JSON.stringify({ said, base64: Buffer.from(`${said}`).toString("base64"), input });
};

const toolsOf = (fake: () => FakeMcp | undefined): FakeTool[] => [
  { name: "echo", run: (input) => echo(fake, input) },
  {
    name: "refuse",
    run: (input) => ({ isError: true, content: [{ type: "text", text: echo(fake, input) }] }),
  },
  {
    name: "fail",
    run(input) {
      throw new Error(echo(fake, input));
    },
  },
  {
    name: "structured",
    run: (input) => ({
      content: [
        { type: "resource", resource: { uri: `note://${echo(fake, input)}`, text: echo(fake, input) } },
        { type: "resource_link", uri: `https://x.test/?${encodeURIComponent(echo(fake, input))}`, name: "x" },
      ],
      structuredContent: { [echo(fake, input)]: echo(fake, input) },
      _meta: { said: echo(fake, input) },
    }),
  },
];

export async function startAccounts(address: string, given: Given, canaries: Canaries): Promise<Accounts> {
  const made: { bearer?: FakeMcp; oauth?: FakeMcp } = {};
  const options = { host: address };
  made.bearer = await startFakeMcp(
    toolsOf(() => made.bearer),
    options,
  );
  made.oauth = await startFakeMcp(
    toolsOf(() => made.oauth),
    options,
  );
  const { bearer, oauth } = made;
  bearer.url = `http://${address}:${bearer.port}/mcp`;
  oauth.url = `http://${address}:${oauth.port}/mcp`;
  bearer.token = given.bearer;
  oauth.token = "nobody has it yet";
  for (const fake of [bearer, oauth]) describing(fake);

  const refreshes: string[] = [];
  const provider_keys: string[] = [];
  let { refresh_token } = given;
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const json = (status: number, said: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(said));
    if (request.url !== "/token") {
      const key = String(request.headers["x-api-key"] ?? request.headers.authorization);
      provider_keys.push(key);
      const message = `invalid x-api-key: ${key}`;
      return void json(request.url?.includes("models") ? 500 : 401, {
        type: "error",
        error: { type: "authentication_error", message, key },
      });
    }
    refreshes.push(`${request.headers.authorization ?? ""}\n${body}`);
    const said = `it was said: ${body} by ${request.headers.authorization}`;
    // It fails once, and is not sure for how long.
    if (refreshes.length === 1)
      return void json(503, { error: "temporarily_unavailable", error_description: said });
    const form = new URLSearchParams(body);
    if (form.get("refresh_token") !== refresh_token)
      return void json(400, { error: "invalid_grant", error_description: said });
    refresh_token = `cnry-refresh-${random()}`;
    oauth.token = `cnry-access-${random()}`;
    canaries.add(`refresh token ${refreshes.length}`, refresh_token);
    canaries.add(`access token ${refreshes.length}`, oauth.token);
    json(200, { access_token: oauth.token, token_type: "Bearer", refresh_token, expires_in: 3_600, said });
  });
  await once(server.listen(0, address), "listening");
  const base = `http://${address}:${(server.address() as AddressInfo).port}`;
  return {
    bearer,
    oauth,
    token_endpoint: `${base}/token`,
    refreshes,
    provider_url: base,
    provider_keys,
    async close() {
      server.close();
      server.closeAllConnections();
      await Promise.all([bearer.close(), oauth.close()]);
    },
  };
}

/** Its tools say in what they are for what they were told. */
function describing(fake: FakeMcp): void {
  fake.intercept = (request, response) => {
    const said = request.headers.authorization ?? "nothing";
    fake.raw = [
      {
        name: "described",
        description: `Call it with ${said}`,
        inputSchema: { type: "object", properties: { key: { type: "string", default: said } } },
      },
    ];
    if (said === `Bearer ${fake.token}` || fake.token === null) return false;
    response.writeHead(401, { "www-authenticate": `Bearer realm="${said}"` }).end(`who is ${said}?`);
    return true;
  };
}
