import type { z } from "zod";
import type { MessagesSpending } from "../../brain/messages-spending.ts";
import { askForMessage } from "../../models/messages/ask.ts";
import { modelRequestOf } from "../../models/messages/request.ts";
import type { Candidates, RelayedRequest } from "../../models/model.ts";
import { requestTokens } from "../../models/token-estimate.ts";
import { ApiError, invalid, notFound } from "../../protocol/errors.ts";
import {
  anyCountBody,
  anyMessageBody,
  type CountBody,
  countBody,
  type MessageBody,
  messageAnswer,
  messageBody,
  messageEvent,
  tokenCount,
} from "../../protocol/messages.ts";
import { parse } from "../parse.ts";
import { type Caller, type Route, relayRoute } from "../route.ts";

export interface MessagesParts {
  models: Candidates;
  spending: MessagesSpending;
  /** Ends what is asked; its reason is what clients are told. */
  stop: AbortSignal;
}

/** The Messages API beside the managed agents: the same key, the same providers, no session. */
export function messagesRoutes({ models, spending, stop }: MessagesParts): Route[] {
  const { mayAsk, used } = spending;
  const goesOn = ({ req }: Caller["context"]) => AbortSignal.any([req.raw.signal, stop]);
  return [
    relayRoute({
      method: "POST",
      path: "/v1/messages",
      beta: null,
      summary: "Create a message",
      body: anyMessageBody,
      answer: { json: messageAnswer, event_stream: messageEvent },
      async handle({ principal: { workspaceId }, context, body }) {
        const { candidates, request } = asked(models, body, messageBody);
        const priced = { id: body.model, ...(body.speed === "fast" && { speed: "fast" as const }) };
        await mayAsk(workspaceId, priced);
        const message = { path: "/v1/messages", headers: apiHeaders(context), body, request } as const;
        return askForMessage(candidates, message, goesOn(context), (ended, steppedIn) =>
          used(workspaceId, priced, ended, steppedIn),
        );
      },
    }),
    relayRoute({
      method: "POST",
      path: "/v1/messages/count_tokens",
      beta: null,
      summary: "Count the tokens of a message",
      body: anyCountBody,
      answer: { json: tokenCount },
      async handle({ context, body }) {
        const { candidates, request } = asked(models, body, countBody);
        if (request) return Response.json({ input_tokens: requestTokens(request) });
        const question = { path: "/v1/messages/count_tokens", headers: apiHeaders(context), body } as const;
        return askForMessage(candidates, { ...question, request }, goesOn(context), () => {});
      },
    }),
  ];
}

type Asking = { model: string; thread?: unknown };
type Understood = z.ZodType<MessageBody | CountBody>;

/**
 * Who is to be asked. Where one of them speaks another language, the request has to be one that all of them understand:
 * whether it is must not depend on who is down.
 */
function asked(models: Candidates, body: Asking, schema: Understood) {
  const found = models.candidatesFor(body.model);
  if ("missing" in found) throw notFound(`model: ${found.missing}`);
  const { candidates } = found;
  const foreign = candidates.find(({ relay }) => relay === null);
  if (foreign && (body.thread ?? null) !== null) throw noThreads(foreign.provider);
  const request = foreign ? modelRequestOf(understood(schema, body, foreign.provider)) : null;
  return { candidates, request };
}

/** Nothing of a conversation is kept here. Clients that hear it so send all of it from then on. */
const noThreads = (provider: string) =>
  invalid(
    `thread: models of the provider "${provider}" keep no conversation; send all of it, without \`thread\``,
    { code: "thread_unsupported_request" },
  );

/** What is not understood may well be right: it is said who does not understand it. */
function understood(schema: Understood, body: unknown, provider: string): MessageBody | CountBody {
  try {
    return parse(schema, body, "body");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw invalid(
      `${error.message} (models of the provider "${provider}" take what docs/MESSAGES.md lists, no more)`,
    );
  }
}

/** Those that change what a request means. */
const apiHeaders = ({ req }: Caller["context"]): RelayedRequest["headers"] =>
  Object.fromEntries(
    ["anthropic-version", "anthropic-beta"].flatMap((name) => {
      const value = req.header(name);
      return value ? [[name, value]] : [];
    }),
  );
