import { mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { limits } from "../../limits.ts";
import { mountedAt } from "./mounted-at.ts";
import type { Root } from "./root-filesystem.ts";

/**
 * Whom the programs of a sandbox trust beside all others: the authority of its session. Both are files of the host, which the
 * sandbox sees read-only, over those of its root filesystem too; they are removed when it ends.
 */

const trustInside = "/run/trust";
const names = { all: "ca-certificates.crt", session: "session.crt" } as const;
const all = `${trustInside}/${names.all}`;
const session = `${trustInside}/${names.session}`;

/** Where systems have theirs: Debian and Alpine, Fedora, SUSE, and where some have put it before. */
export const systemBundles: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/var/lib/ca-certificates/ca-bundle.pem",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
];

/** For programs that bring a list of their own, or look for the system's where it is not. Two add to theirs. */
export const trustEnvironment: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      "SSL_CERT_FILE",
      "CURL_CA_BUNDLE",
      "REQUESTS_CA_BUNDLE",
      "GIT_SSL_CAINFO",
      "PIP_CERT",
      "CARGO_HTTP_CAINFO",
      "AWS_CA_BUNDLE",
      "NIX_SSL_CERT_FILE",
      "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    ].map((name) => [name, all]),
  ),
  NODE_EXTRA_CA_CERTS: session,
  DENO_CERT: session,
};

/** The lists of a root filesystem: where they are, and what the first of them holds. */
export interface SystemTrust {
  paths: string[];
  text: string | null;
}

export interface TrustMount {
  source: string;
  inside: string;
}

/** Writes what the sandbox is to trust, and says what is mounted where. */
export function writeTrust(folder: string, certificate: string, system: SystemTrust): TrustMount[] {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const others = (system.text ?? rootCertificates.join("\n")).trimEnd();
  const files = { [names.all]: `${others}\n${certificate}`, [names.session]: certificate };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o644 });
  return [
    { source: folder, inside: trustInside },
    ...system.paths.map((inside) => ({ source: join(folder, names.all), inside })),
  ];
}

export const removeTrust = (folder: string): void => rmSync(folder, { recursive: true, force: true });

/**
 * The lists of a root filesystem that is described as bwrap is told of it. What a link leads to is not looked at: here it would
 * lead elsewhere than in the sandbox.
 */
export function trustOf(root: Pick<Root, "overlays" | "env">, args: readonly string[]): SystemTrust {
  const own = [root.env.SSL_CERT_FILE, root.env.NIX_SSL_CERT_FILE].filter((path) => path !== undefined);
  const found = [...new Set([...own, ...systemBundles])].flatMap((path) => {
    const file = mountedAt(args, root.overlays, path);
    const text = file && bundleIn(file);
    return text ? [{ path, text }] : [];
  });
  return { paths: found.map(({ path }) => path), text: found[0]?.text ?? null };
}

function bundleIn({ above, path }: { above: string; path: string }): string | null {
  const file = join(above, path);
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile() || found.size > limits.trusted_bytes_max) return null;
  if (realpathSync(file) !== join(realpathSync(above), path)) return null;
  return asBundle(readFileSync(file, "utf8"));
}

/** Null for what is none. */
export const asBundle = (text: string): string | null =>
  text.includes("-----BEGIN CERTIFICATE-----") ? text : null;
