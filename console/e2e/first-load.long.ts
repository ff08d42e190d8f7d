import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { noBrowser, openWindow, signIn } from "./browser.ts";
import { setStage } from "./stage.ts";

const dist = join(import.meta.dirname, "../dist");
const bytes_max = 300_000;

interface Chunk {
  file: string;
  imports?: string[];
  css?: string[];
}

/** All that the page and these chunks of it load, whatever is loaded later. */
function filesOf(...names: string[]): string[] {
  const chunks = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8")) as Record<string, Chunk>;
  const files = new Set<string>(["index.html"]);
  const take = (name: string) => {
    const chunk = chunks[name];
    assert.ok(chunk, name);
    if (files.has(chunk.file)) return;
    for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file);
    chunk.imports?.forEach(take);
  };
  names.forEach(take);
  return [...files];
}

test("the sign-in and home take less than 300 KB, however they are compressed", () => {
  const files = filesOf("index.html", "src/pages/sign-in.tsx");
  for (const ending of [".br", ".gz"]) {
    const bytes = files.reduce((sum, file) => sum + statSync(join(dist, file + ending)).size, 0);
    assert.ok(bytes > 50_000 && bytes < bytes_max, `${bytes} bytes as ${ending}`);
  }
});

describe("a browser", { skip: noBrowser }, () => {
  const stage = setStage();

  test("loads less than 300 KB until home is there, and the next time only asks for the page", async () => {
    const { page } = await openWindow(stage.browser);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Network.enable");
    const urls = new Map<string, { path: string; encoding: string | undefined; cached: boolean }>();
    const sizes = new Map<string, number>();
    cdp.on("Network.responseReceived", ({ requestId, response }) => {
      const { pathname } = new URL(response.url);
      if (!pathname.startsWith("/console/") || pathname === "/console/session") return;
      const encoding = response.headers["content-encoding"];
      urls.set(requestId, { path: pathname, encoding, cached: response.fromDiskCache === true });
    });
    cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      sizes.set(requestId, encodedDataLength);
    });
    const loaded = () =>
      [...urls].map(([id, { path, encoding, cached }]) => ({
        path,
        encoding,
        cached,
        bytes: sizes.get(id) ?? 0,
      }));
    const sum = () => loaded().reduce((all, { bytes }) => all + bytes, 0);

    // The page always listens to something.
    const allLoaded = async () => {
      for (const deadline = Date.now() + 30_000; [...urls.keys()].some((id) => !sizes.has(id)); )
        if (Date.now() > deadline) throw new Error(`not loaded: ${JSON.stringify(loaded())}`);
        else await page.waitForTimeout(50);
    };

    await signIn(page, stage.api.url);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await allLoaded();
    const first = loaded();
    assert.ok(sum() > 50_000 && sum() < bytes_max, JSON.stringify(first));
    const plain = first.filter(({ path, encoding }) => /\.(js|css)$/.test(path) && encoding === undefined);
    assert.deepEqual(plain, [], "each comes compressed");

    urls.clear();
    await page.goto("about:blank");
    await page.goto(`${stage.api.url}/console/`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await allLoaded();
    assert.ok(loaded().length > 2);
    const again = loaded().filter(({ cached }) => !cached);
    assert.ok(
      again.every(({ path }) => path === "/console/"),
      JSON.stringify(again),
    );
    assert.ok(sum() < 5_000, `${sum()} bytes`);
  });
});
