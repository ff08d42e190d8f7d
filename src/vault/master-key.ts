import { createHash, randomBytes } from "node:crypto";
import { decrypt, encrypt, keyBytes, type MasterKey, UnknownMasterKey } from "./seal.ts";

/** A new one, as it is written down. */
export const freshMasterKey = (): string => randomBytes(keyBytes).toString("base64");

/**
 * Master keys that the server holds itself: 32 bytes in base64, one on each line. The first one wraps; the others open what
 * they once have wrapped. Each is known by a part of its hash, so that keys of two machines are never taken for each other.
 */
export function masterKeyOf(text: string): MasterKey {
  const keys = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(parseKey);
  const [newest] = keys;
  if (!newest) throw new Error("it holds no key");
  const versions = [...new Set(keys.map(({ version }) => version))];
  return {
    version: newest.version,
    versions,
    wrap: async (dataKey, context) => encrypt(newest.key, dataKey, context),
    async unwrap(version, wrapped, context) {
      const found = keys.find((key) => key.version === version);
      if (!found)
        throw new UnknownMasterKey(
          `a secret was sealed under the master key ${version}, and this server has ${versions.join(", ")}: give it that key too, below its own`,
        );
      return decrypt(found.key, wrapped, context);
    },
  };
}

function parseKey(line: string) {
  const key = Buffer.from(line, "base64");
  if (!/^[A-Za-z0-9+/]{43}=$/.test(line) || key.length !== keyBytes)
    throw new Error(
      `each line must be ${keyBytes} bytes in base64, as of "openssl rand -base64 ${keyBytes}"`,
    );
  const version = createHash("sha256").update("drover master key").update(key).digest("hex").slice(0, 16);
  return { version, key };
}
