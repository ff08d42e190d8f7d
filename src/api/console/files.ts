import { readFile, realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { limits } from "../../limits.ts";

/** Where `npm run console` leaves it. */
export const builtConsole = join(import.meta.dirname, "../../../console/dist");

/** Only its own scripts, styles and API; nobody shows it within a page of theirs. */
const headersOfAll: Record<string, string> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

const encodings = [
  { name: "br", ending: ".br" },
  { name: "gzip", ending: ".gz" },
];

export interface ConsoleFiles {
  folder: string;
  /** What tells, while nothing is in the folder, whether somebody is at it. */
  build_state?: string;
}

/** What stands in that file. Why it has failed may name what is nobody's business who has not signed in. */
export type BuildState = "building" | "failed";
/** In seconds: when a page that waits for the console looks again. */
const lookAgain_s = 2;

const notBuilt = (state: BuildState | null) => `<!doctype html><html lang="en"><meta charset="utf-8">${
  state === "building" ? `<meta http-equiv="refresh" content="${lookAgain_s}">` : ""
}<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>Drover</title>
${
  state === "building"
    ? `<h1>The console is being built</h1>
<p>That takes about half a minute, at the first start and after an update. It then appears here by itself.</p>`
    : `<h1>The console is not built</h1>
${state === "failed" ? "<p>It could not be built: what <code>drover up</code> has said, or its log, names the reason.</p>\n" : ""}<p>In the folder of the program: <code>npm run console</code>, then load this page again.</p>`
}
<p>The API works without it: <a href="/openapi.json">/openapi.json</a>.</p></html>
`;

async function noConsole({ build_state }: ConsoleFiles): Promise<Response> {
  const state = build_state === undefined ? null : await stateIn(build_state);
  const answer = page(503, notBuilt(state));
  if (state === "building") answer.headers.set("retry-after", String(lookAgain_s));
  return answer;
}

async function stateIn(file: string): Promise<BuildState | null> {
  try {
    const state = (await readFile(file, "utf8")).trim();
    // Whoever was at it may have been killed.
    const isOver = Date.now() - (await stat(file)).mtimeMs > limits.console_build_ms;
    return state === "failed" || (state === "building" && !isOver) ? state : null;
  } catch {
    return null;
  }
}

/** What a browser gets beneath `/console/`: a built file, or the page that shows what the path names. */
export async function consoleFile(files: ConsoleFiles, request: Request): Promise<Response> {
  const { folder } = files;
  const path = new URL(request.url).pathname.slice("/console/".length);
  const parts = partsOf(path);
  const root = await realpath(folder).catch(() => null);
  const index = root && (await fileAt(root, ["index.html"]));
  if (!root || !index) return noConsole(files);
  const found = parts && (await fileAt(root, parts));
  if (parts && found) return answer(root, parts, found, request);
  // What has an ending was a file; a path without one is the page's own.
  if (!parts || extname(path) !== "") return page(404, "not found\n", "text/plain; charset=utf-8");
  return answer(root, ["index.html"], index, request);
}

/** Null for what leads elsewhere, or cannot be a name. */
function partsOf(path: string): string[] | null {
  try {
    const parts = path === "" ? ["index.html"] : decodeURIComponent(path).split("/");
    const isName = (part: string) => part !== "" && !part.startsWith(".") && !/[\\\0]/.test(part);
    return parts.every(isName) ? parts : null;
  } catch {
    return null;
  }
}

interface Found {
  path: string;
  tag: string;
}

/** A regular file beneath the folder, wherever links lead. */
async function fileAt(root: string, parts: readonly string[]): Promise<Found | null> {
  try {
    const path = await realpath(join(root, ...parts));
    if (!path.startsWith(root + sep)) return null;
    const facts = await stat(path);
    return facts.isFile()
      ? // Weak: it stands for the file however it is compressed, and a proxy that compresses makes it so anyway.
        { path, tag: `W/"${facts.size.toString(36)}-${Math.round(facts.mtimeMs).toString(36)}"` }
      : null;
  } catch {
    return null;
  }
}

const withEnding = (parts: readonly string[], ending: string) => [
  ...parts.slice(0, -1),
  `${parts.at(-1)}${ending}`,
];

/** Its name changes with what it holds, as Vite names them. */
const isHashed = (path: string) => /^assets\/[^/]*-[A-Za-z0-9_-]{8,}\.\w+$/.test(path);

async function answer(
  root: string,
  parts: readonly string[],
  found: Found,
  request: Request,
): Promise<Response> {
  const accepted = (request.headers.get("accept-encoding") ?? "").split(",").flatMap((one) => {
    const [name, ...options] = one.split(";").map((part) => part.trim());
    return options.some((option) => /^q=0(\.0*)?$/.test(option)) ? [] : [name];
  });
  const headers: Record<string, string> = {
    ...headersOfAll,
    "content-type": types[extname(found.path)] ?? "application/octet-stream",
    "cache-control": isHashed(parts.join("/")) ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    etag: found.tag,
  };
  const known = request.headers.get("if-none-match")?.split(",");
  if (known?.some((tag) => tag.trim() === found.tag)) return new Response(null, { status: 304, headers });
  for (const { name, ending } of encodings) {
    const small = accepted.includes(name) ? await fileAt(root, withEnding(parts, ending)) : null;
    if (!small) continue;
    return new Response(await readFile(small.path), { headers: { ...headers, "content-encoding": name } });
  }
  return new Response(await readFile(found.path), { headers });
}

const page = (status: number, text: string, type = types[".html"] ?? "") =>
  new Response(text, {
    status,
    headers: { ...headersOfAll, "content-type": type, "cache-control": "no-store" },
  });
