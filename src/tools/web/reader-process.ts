import { Worker } from "node:worker_threads";
import { limits } from "../../limits.ts";
import { decoded } from "./decoded.ts";
import { type Readable, readableHtml } from "./html.ts";
import { readablePdf } from "./pdf.ts";
import type { Page, Reading } from "./reader.ts";

/** The process that `reader.ts` starts: says once that it is ready, then reads one page after the other. */
const watch = new Worker(new URL("./reader-watch.ts", import.meta.url));
watch.once("online", () => {
  process.on("message", async (page: Page) => process.send?.(await reading(page)));
  process.on("disconnect", () => process.exit());
  process.send?.("ready");
});

async function reading(page: Page): Promise<Reading> {
  try {
    const { title, text } = page.format === "pdf" ? await readablePdf(page.bytes) : readPage(page);
    // One more than is shown, so that it is known that there was more.
    return { read: { title, text: text.slice(0, limits.web_text_chars_max + 1) } };
  } catch (error) {
    return { unreadable: error instanceof Error ? error.message : String(error) };
  }
}

/** In the page's own encoding: what its head says counts where the server has said nothing. */
function readPage({ bytes, charset, url }: Page): Readable {
  const head = Buffer.from(bytes.subarray(0, 2_048)).toString("latin1");
  const [, declared = ""] = /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(head) ?? [];
  // A head that can be read like this is not in UTF-16.
  const charsets = /^utf-?16/i.test(declared) ? [charset] : [charset, declared];
  return readableHtml(decoded(bytes, charsets), url);
}
