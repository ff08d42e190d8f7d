import { limits } from "../../../limits.ts";
import { readTar } from "../../images/archive/tar.ts";
import { asBundle, type SystemTrust, systemBundles } from "../trust.ts";
import { createContainer, removeContainer } from "./container-sandbox.ts";
import { type Engine, EngineError } from "./engine.ts";

/** The lists of authorities that an image has, by a container of it that is never started. */
export async function trustOfImage(
  engine: Engine,
  image: { id: string; env: Record<string, string> },
  name: string,
  labels: Record<string, string>,
): Promise<SystemTrust> {
  const container = await createContainer(engine, name, {
    Image: image.id,
    Entrypoint: ["/bin/true"],
    Labels: labels,
    HostConfig: { NetworkMode: "none" },
  });
  try {
    const own = [image.env.SSL_CERT_FILE, image.env.NIX_SSL_CERT_FILE].filter((path) => path !== undefined);
    const found: { path: string; text: string }[] = [];
    for (const path of new Set([...own, ...systemBundles])) {
      const text = await fileIn(engine, container, path);
      if (text !== null) found.push({ path, text });
    }
    return { paths: found.map(({ path }) => path), text: found[0]?.text ?? null };
  } finally {
    await removeContainer(engine, container);
  }
}

/** Null where there is none, and for what only leads to one. */
async function fileIn(engine: Engine, container: string, path: string): Promise<string | null> {
  const at = `/containers/${container}/archive?path=${encodeURIComponent(path)}`;
  try {
    const archive = await engine.download(at, 2 * limits.trusted_bytes_max);
    if (archive === null) return null;
    for await (const entry of readTar(once(archive))) {
      if (entry.type !== "file" || entry.size > limits.trusted_bytes_max) return null;
      const chunks: Buffer[] = [];
      for await (const chunk of entry.content) chunks.push(chunk);
      return asBundle(Buffer.concat(chunks).toString("utf8"));
    }
    return null;
  } catch (error) {
    if (error instanceof EngineError && error.status === 404) return null;
    throw error;
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
