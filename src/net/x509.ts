import "reflect-metadata";
import { randomBytes, type webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { cryptoProvider, PemConverter, SubjectAlternativeNameExtension } from "@peculiar/x509";

/** What all makers of certificates have in common: one kind of key, and how it is written down. */
cryptoProvider.set(crypto);

export const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export const newKeys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

/** Positive, and of 16 bytes. */
export const newSerial = (): string => `40${randomBytes(15).toString("hex")}`;

/** A private key from PEM, to sign with. */
export const importKey = (pem: string) =>
  crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(pem), algorithm, false, ["sign"]);

export async function keyInPem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", privateKey);
  return `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
}

/** By which a server is reached: names, and addresses. */
export const reachedBy = (hosts: readonly string[]) =>
  new SubjectAlternativeNameExtension(
    hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
  );
