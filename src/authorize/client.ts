import {
  type FetchLike,
  type OAuthClientInformationMixed,
  OAuthError,
  RegistrationRejectedError,
  registerClient,
} from "@modelcontextprotocol/client";
import { z } from "zod";
import type { Discovered } from "./discover.ts";
import { NotAuthorized, shownError } from "./failed.ts";

/** As whom an authorization server knows us. */
export type OwnClient =
  /** Nobody yet: it is asked to. */
  | { type: "new" }
  /** By a document at an https URL; where the server takes no such ones, as a new client. */
  | { type: "document"; url: string }
  | { type: "known"; client_id: string; client_secret: string | null };

export async function clientAt(
  found: Discovered,
  own: OwnClient,
  redirect_url: string,
  ask: FetchLike,
): Promise<OAuthClientInformationMixed> {
  const { metadata, scope, url } = found;
  if (own.type === "known") {
    const { client_id, client_secret } = own;
    return { client_id, ...(client_secret !== null && { client_secret }) };
  }
  if (own.type === "document" && metadata?.client_id_metadata_document_supported)
    return { client_id: own.url };
  if (metadata && metadata.registration_endpoint === undefined)
    throw new NotAuthorized(
      `${found.issuer} lets no client register itself: register one there with the redirect URL ${redirect_url}, and name it with --client-id`,
    );
  try {
    return await registerClient(url, {
      ...(metadata && { metadata }),
      clientMetadata: {
        client_name: "Drover",
        redirect_uris: [redirect_url],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        application_type: "native",
        ...methodAt(found),
      },
      ...(scope !== null && { scope }),
      fetchFn: ask,
    });
  } catch (error) {
    throw registrationError(error, found);
  }
}

/** Without a secret where that is possible: a redirect to this machine proves more than a secret that lies on it. */
function methodAt({ metadata }: Discovered): { token_endpoint_auth_method?: string } {
  const known = metadata?.token_endpoint_auth_methods_supported ?? [];
  const method = ["none", "client_secret_basic", "client_secret_post"].find((each) => known.includes(each));
  return method ? { token_endpoint_auth_method: method } : {};
}

const registrationAnswer = z.object({ error: z.string(), error_description: z.string().nullish() });

function registrationError(error: unknown, { issuer }: Discovered): Error {
  if (error instanceof NotAuthorized) return error;
  const refused = `${issuer} does not take a new client`;
  if (error instanceof RegistrationRejectedError) {
    const said = registrationAnswer.safeParse(jsonOf(error.body));
    const why = said.success ? `, ${shownError(said.data.error, said.data.error_description ?? null)}` : "";
    return new NotAuthorized(`${refused} (HTTP ${error.status}${why}): name one with --client-id`);
  }
  if (error instanceof OAuthError) return new NotAuthorized(`${refused}: ${shownError(error.code, null)}`);
  return new NotAuthorized(`${refused}: its answer cannot be read, or does not come`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
