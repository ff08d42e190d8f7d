import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Consent } from "../../authorize/authorize.ts";
import type { OwnClient } from "../../authorize/client.ts";
import type { Vouched } from "../../authorize/client-credentials.ts";
import { NotAuthorized, shown } from "../../authorize/failed.ts";

/** What the options say of the client that authorizes. */
export interface ClientOptions {
  clientId?: string;
  clientSecretEnv?: string;
  privateKey?: string;
  algorithm: string;
  clientCredentials?: boolean;
  idTokenEnv?: string;
  identityProvider?: string;
  identityClientId?: string;
}

type Alone = Consent & { type: "client" };

/** As whom to ask a person, or who is authorized without one. */
export const ownClient = (options: ClientOptions, env: NodeJS.ProcessEnv): OwnClient | Alone =>
  options.privateKey !== undefined || options.clientCredentials === true || options.idTokenEnv !== undefined
    ? clientAlone(options, env)
    : knownClient(options, env);

function knownClient({ clientId, clientSecretEnv }: ClientOptions, env: NodeJS.ProcessEnv): OwnClient {
  const client_secret = secretFrom("--client-secret-env", clientSecretEnv, env);
  if (clientId === undefined) {
    if (client_secret !== null)
      throw new NotAuthorized("a client's secret needs the client's id: --client-id");
    return { type: "new" };
  }
  const url = URL.parse(clientId);
  if (url?.protocol === "https:" && url.pathname !== "/" && client_secret === null)
    return { type: "document", url: clientId };
  return { type: "known", client_id: clientId, client_secret };
}

function clientAlone(options: ClientOptions, env: NodeJS.ProcessEnv): Alone {
  const { clientId, clientSecretEnv, privateKey, algorithm } = options;
  if (clientId === undefined) throw new NotAuthorized("a client that is authorized itself needs --client-id");
  if (privateKey !== undefined) {
    const pem = pemIn(privateKey, algorithm);
    return { type: "client", client_id: clientId, proof: { type: "private_key", pem, algorithm } };
  }
  const secret = secretFrom("--client-secret-env", clientSecretEnv, env);
  if (secret === null)
    throw new NotAuthorized("a client that is authorized itself needs --client-secret-env or --private-key");
  if (options.idTokenEnv !== undefined)
    return { type: "client", client_id: clientId, proof: vouchedBy(options, secret, env) };
  return { type: "client", client_id: clientId, proof: { type: "secret", secret } };
}

function vouchedBy(
  { idTokenEnv, identityProvider: provider, identityClientId: provider_client_id }: ClientOptions,
  secret: string,
  env: NodeJS.ProcessEnv,
): Vouched {
  const id_token = secretFrom("--id-token-env", idTokenEnv, env);
  if (id_token === null || provider === undefined || provider_client_id === undefined)
    throw new NotAuthorized("--id-token-env needs --identity-provider and --identity-client-id");
  return { type: "vouched", secret, id_token, provider, provider_client_id };
}

function secretFrom(option: string, name: string | undefined, env: NodeJS.ProcessEnv): string | null {
  if (name === undefined) return null;
  const secret = env[name];
  if (secret) return secret;
  throw new NotAuthorized(`${option}: there is no environment variable ${shown(name)}`);
}

/** In the form that is signed with, whichever it is written in. */
function pemIn(file: string, algorithm: string): string {
  const text = pemText(file);
  const wanted = algorithm.startsWith("ES") ? "ec" : "rsa";
  try {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyType === wanted) return key.export({ type: "pkcs8", format: "pem" }).toString();
  } catch {
    throw new NotAuthorized(`--private-key: ${file} has no private key in PEM without a password`);
  }
  throw new NotAuthorized(`--private-key: ${file} has no key for ${algorithm}`);
}

function pemText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new NotAuthorized(`--private-key: ${(error as Error).message}`);
  }
}
