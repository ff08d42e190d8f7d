import type Anthropic from "@anthropic-ai/sdk";
import { z } from "zod";
import { startFindings, type WebSearch, type WebSearched } from "../web-search.ts";

/**
 * One search and no more, by the plain tool: the newer ones filter what they find by code that the model writes, which
 * small models cannot. A forced call does not go with thinking.
 */
export function searchParams({
  allowed_domains,
  blocked_domains,
  location,
}: WebSearch): Pick<Anthropic.MessageCreateParamsStreaming, "tools" | "tool_choice"> {
  return {
    tools: [
      {
        type: "web_search_20250305",
        name: "web_search",
        max_uses: 1,
        ...(allowed_domains ? { allowed_domains } : {}),
        ...(blocked_domains ? { blocked_domains } : {}),
        ...(location ? { user_location: { ...location, type: "approximate" as const } } : {}),
      },
    ],
    tool_choice: { type: "tool", name: "web_search" },
  };
}

const found = z.object({
  type: z.literal("web_search_result"),
  url: z.string(),
  title: z.string().nullish(),
  page_age: z.string().nullish(),
});

const streamEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("content_block_start"),
    index: z.int(),
    content_block: z.discriminatedUnion("type", [
      z.object({ type: z.literal("text") }),
      z.object({
        type: z.literal("web_search_tool_result"),
        content: z.union([z.array(found), z.object({ error_code: z.string() })]),
      }),
    ]),
  }),
  z.object({
    type: z.literal("content_block_delta"),
    index: z.int(),
    delta: z.discriminatedUnion("type", [
      z.object({ type: z.literal("text_delta"), text: z.string() }),
      z.object({
        type: z.literal("citations_delta"),
        citation: z.object({
          type: z.literal("web_search_result_location"),
          url: z.string(),
          cited_text: z.string(),
        }),
      }),
    ]),
  }),
  z.object({ type: z.literal("content_block_stop"), index: z.int() }),
  z.object({
    type: z.literal("message_delta"),
    usage: z.object({ server_tool_use: z.object({ web_search_requests: z.int().nonnegative() }) }),
  }),
]);

/**
 * What was found, from the events of the answer's stream. The results themselves come sealed: what can be read of them is
 * what the model cites, and what it says with a citation.
 */
export function startSearched() {
  const findings = startFindings();
  /** Texts, by the index of their block, with the pages that they cite. */
  const texts = new Map<number, { text: string; cites: Set<string> }>();

  return {
    take(raw: unknown): void {
      // Whatever is of no concern here, or newer than this program, is passed over.
      const event = streamEvent.safeParse(raw).data;
      switch (event?.type) {
        case "content_block_start": {
          const { content_block: block } = event;
          if (block.type === "text") texts.set(event.index, { text: "", cites: new Set() });
          else if ("error_code" in block.content) findings.failed(block.content.error_code);
          else {
            findings.searched();
            for (const { url, title, page_age } of block.content)
              findings.page(url, { title, age: page_age });
          }
          return;
        }
        case "content_block_delta": {
          const open = texts.get(event.index);
          if (event.delta.type === "text_delta") {
            if (open) open.text += event.delta.text;
          } else {
            const { url, cited_text } = event.delta.citation;
            findings.text(url, cited_text);
            open?.cites.add(url);
          }
          return;
        }
        case "content_block_stop": {
          const closed = texts.get(event.index);
          for (const url of closed?.cites ?? []) findings.text(url, closed?.text ?? "");
          return;
        }
        case "message_delta":
          findings.reported(event.usage.server_tool_use.web_search_requests);
      }
    },
    searched: (): WebSearched => findings.result(),
  };
}
