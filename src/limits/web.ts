export const web = {
  /** One call of web_fetch, and how many a process makes at a time. */
  web_fetch_ms: 30_000,
  web_fetches_parallel_max: 32,
  web_redirects_max: 10,
  web_url_chars_max: 2_048,
  /** URLs that results have shown which the model does not see any more. */
  web_shown_urls_chars_max: 200_000,
  /** What is read of a page, unpacked. */
  web_page_bytes_max: 10 << 20,
  /** What the model sees of one. */
  web_text_chars_max: 100_000,
  web_pdf_pages_max: 500,
  /** What turning one page into text may take, and how many are turned at a time. */
  web_reading_ms: 10_000,
  web_readers_max: 2,
  web_reader_heap_mb: 384,
  web_reader_stack_kb: 3_900,
  /** All of it, buffers outside of the heap included, and how often that is looked at. */
  web_reader_memory_bytes_max: 700 << 20,
  web_reader_watch_ms: 50,
  /** A reader that has nothing to do for so long is let go. */
  web_reader_idle_ms: 5 * 60_000,
  web_search_ms: 15_000,
  /** Where a model vendor searches: the time, waits for a turn included, and what its model may say. */
  web_search_vendor_ms: 90_000,
  web_search_vendor_tokens_max: 4_096,
  web_search_query_chars_max: 400,
  web_search_results_max: 10,
  /** Of the passages of one result, and of its title. */
  web_search_result_chars_max: 8_000,
  web_search_title_chars_max: 500,
  web_search_answer_bytes_max: 4 << 20,
} as const;
