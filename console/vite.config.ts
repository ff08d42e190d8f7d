import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** A server that `npm run dev` shows the pages for; it has to let in this origin's requests as its own. */
const server = process.env.DROVER_BASE_URL ?? "http://127.0.0.1:8400";

/** Leaves beside each file what it is compressed, as the server looks for it. */
const compressed = (): Plugin => ({
  name: "compressed",
  apply: "build",
  async writeBundle({ dir = "" }, files) {
    await Promise.all(
      Object.keys(files).map(async (name) => {
        if (!/\.(html|js|css|svg)$/.test(name)) return;
        const path = join(dir, name);
        const content = await readFile(path);
        await writeFile(`${path}.br`, await promisify(brotliCompress)(content));
        await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }));
      }),
    );
  },
});

export default defineConfig({
  base: "/console/",
  plugins: [react(), tailwindcss(), compressed()],
  build: {
    target: "es2024",
    // A data: URL would need an exception from the content security policy.
    assetsInlineLimit: 0,
    // The polyfill is an inline script.
    modulePreload: { polyfill: false },
    // Tests read there what a page loads.
    manifest: true,
    // What takes long is the compressing, and is meant to.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: { "/v1": server, "/console/session": server } },
});
