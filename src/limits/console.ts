export const consoles = {
  /** How long the console may take to be built, with what it is built with. */
  console_build_ms: 15 * 60_000,
  /** A sign-in of a browser ends after so long without a request, and after so long in all. */
  console_idle_ms: 12 * 3_600_000,
  console_ms_max: 7 * 24 * 3_600_000,
  /** Tokens of a request that are looked for: a browser has one for each port of the host name at which it has signed in. */
  console_tokens_max: 50,
  /** How often it is noted that one was used, and how many that are over go with each new one. */
  console_noted_ms: 60_000,
  console_sweep_batch_max: 100,
  /** How often a stream asks whether the sign-in that has opened it is over. */
  console_stream_look_ms: 5_000,
  /** Sign-ins that may fail within this time, from one address and from all, by each process; and addresses remembered. */
  console_failures_ms: 5 * 60_000,
  console_failures_max: 20,
  console_failures_all_max: 500,
  console_addresses_max: 10_000,
} as const;
