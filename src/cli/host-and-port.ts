import { InvalidArgumentError } from "commander";
import { parseHostAndPort } from "../config/hands.ts";

export function hostAndPort(text: string): { host: string; port: number } {
  const parsed = parseHostAndPort(text);
  if (parsed) return parsed;
  throw new InvalidArgumentError("must be host:port, such as 0.0.0.0:8401");
}
