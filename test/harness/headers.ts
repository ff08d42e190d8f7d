/** What the tests send: this file imports nothing, so that tests of any server can use it. */
export const testKey = "drover-key-of-the-tests";
export const beta = "managed-agents-2026-04-01";
