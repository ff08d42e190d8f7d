import { getDocumentProxy } from "unpdf";
import { limits } from "../../limits.ts";
import type { Readable } from "./html.ts";

/** The text of a PDF, page by page, up to the most that is shown. */
export async function readablePdf(bytes: Uint8Array): Promise<Readable> {
  const pdf = await getDocumentProxy(new Uint8Array(bytes), { disableFontFace: true, verbosity: 0 });
  const { info } = await pdf.getMetadata();
  const title = "Title" in info && typeof info.Title === "string" ? info.Title.trim() : "";
  const pages: string[] = [];
  let chars = 0;
  const last = Math.min(pdf.numPages, limits.web_pdf_pages_max);
  for (let number = 1; number <= last && chars < limits.web_text_chars_max; number += 1) {
    const page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    const text = items
      .map((item) => ("str" in item ? `${item.str}${item.hasEOL ? "\n" : ""}` : ""))
      .join("")
      .trim();
    chars += text.length;
    pages.push(`[Page ${number} of ${pdf.numPages}]\n${text}`);
    page.cleanup();
  }
  if (last < pdf.numPages && chars < limits.web_text_chars_max) pages.push("[Further pages were left out.]");
  return { title: title || null, text: pages.join("\n\n") };
}
