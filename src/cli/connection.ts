import Anthropic from "@anthropic-ai/sdk";

/** A client of a Drover server. Nothing is read from the environment: its variables may mean the hosted service. */
export const connect = (baseURL: string, apiKey: string): Anthropic =>
  new Anthropic({ baseURL, apiKey, authToken: null, logLevel: "off", maxRetries: 2 });
