import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** A server that `npm run dev` shows the pages for; it has to let in this origin's requests as its own. */
const server = process.env.DROVER_BASE_URL ?? "http://127.0.0.1:8400";

export default defineConfig({
  base: "/console/",
  plugins: [react(), tailwindcss()],
  build: {
    target: "es2024",
    // A data: URL would need an exception from the content security policy.
    assetsInlineLimit: 0,
    // The polyfill is an inline script.
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": server, "/console/session": server } },
});
