import { randomInt } from "node:crypto";
import { limits } from "../limits.ts";

/**
 * What stands for a secret where programs look for it. It tells nothing of the secret but its shape, for programs that look at
 * that before they use it: as long, within bounds, of the same kind, and with the letters by which its vendor's are known.
 * It needs no escaping in a header, a URL, JSON or a shell, and nobody meets it by chance.
 */
export function placeholderFor(secret: string): string {
  if (uuid.test(secret)) return secret.replace(/[0-9a-f]/gi, () => oneOf(hexadecimal));
  const prefix = vendorPrefixes.find((known) => secret.startsWith(known)) ?? "";
  const rest = secret.slice(prefix.length);
  const alphabet = /^[0-9a-f]+$/.test(rest) ? hexadecimal : letters;
  const { placeholder_random_chars_min: least, placeholder_chars_max: most } = limits;
  const length = Math.max(Math.min(secret.length, most) - prefix.length, least);
  return prefix + Array.from({ length }, () => oneOf(alphabet)).join("");
}

const oneOf = (alphabet: string) => alphabet.charAt(randomInt(alphabet.length));

const hexadecimal = "0123456789abcdef";
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The longest first, where one begins with another. */
const vendorPrefixes = [
  "sk-ant-api03-",
  "sk-ant-admin01-",
  "sk-ant-",
  "sk-proj-",
  "sk-or-v1-",
  "sk-",
  "github_pat_",
  "ghp_",
  "gho_",
  "ghu_",
  "ghs_",
  "ghr_",
  "glpat-",
  "xoxb-",
  "xoxp-",
  "xoxa-",
  "xoxe-",
  "xapp-",
  "sk_live_",
  "sk_test_",
  "rk_live_",
  "rk_test_",
  "pk_live_",
  "pk_test_",
  "whsec_",
  "npm_",
  "pypi-",
  "hf_",
  "gsk_",
  "AIza",
  "AKIA",
  "SG.",
  "lin_api_",
  "ntn_",
  "secret_",
  "dop_v1_",
  "tvly-",
  "r8_",
];
