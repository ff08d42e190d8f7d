export const credentials = {
  /** Secrets that are rewrapped at a time, and how often is gone through all, while others write them. */
  rotate_batch_max: 100,
  rotate_passes_max: 5,
  /** Active credentials of a vault, vaults of a session, and hosts that a credential names. */
  vault_credentials_max: 20,
  session_vaults_max: 50,
  credential_hosts_max: 16,
  /** A secret: it has to fit into a header. And what names an OAuth client, its scope and its resource. */
  secret_chars_max: 8_192,
  oauth_text_chars_max: 2_048,
  /**
   * Uses of credentials in a session's audit, which are kept for so long. Where a session has made so many different ones, new
   * ones are counted under one name: nobody can make the old ones go by making more.
   */
  credential_uses_max: 10_000,
  credential_uses_kept_ms: 90 * 24 * 3_600_000,
  credential_uses_sweep_ms: 3_600_000,
  credential_uses_sweep_batch_max: 5_000,
  credential_use_chars_max: 255,
  credential_uses_page: 100,
  credential_uses_page_max: 1_000,
  /** How long egress believes what it was told of a session's credentials: so long an old one may still be used. */
  credentials_believed_ms: 10_000,
  /** Secrets of a session of which no connection has wanted any for so long are forgotten, and of how many they are kept. */
  credentials_forgotten_ms: 60_000,
  credentials_sessions_max: 2_000,
  /** Hosts of one session for which it is remembered what may be used there. */
  credentials_hosts_max: 64,
  /** A body that may become longer or shorter by a secret, and is still announced with its length; it is kept until it is whole. */
  substituted_body_bytes_max: 1 << 20,
  /** Of those of one session together, all that are on their way. More are sent in chunks. */
  substituted_bodies_bytes_max: 16 << 20,
  /** How long a part of an answer waits until it is known which secrets there are by now. */
  redacted_renew_ms: 1_000,
  /** How long the few bytes wait that a secret may begin with, when nothing follows them. */
  redacted_early_ms: 20,
  /** How much a frame of zstd may need to be decoded, as a power of two. */
  decoded_zstd_window_bits_max: 23,
  /** A certificate that egress shows to a session's programs: from how long before to how long after, and how many are kept. */
  leaf_early_ms: 3_600_000,
  leaf_ms: 48 * 3_600_000,
  leaves_max: 500,
  /** What egress and serve say to each other of credentials; an answer has all secrets of a session. */
  vault_connections_max: 16,
  vault_requests_at_once_max: 64,
  vault_request_bytes_max: 1 << 20,
  vault_answer_bytes_max: 64 << 20,
  /** How long a connection waits for a serve that is away, and how often it is tried. */
  vault_wait_ms: 10_000,
  vault_retry_ms: 100,
  /** How long one is asked alone that does not answer. */
  vault_hedge_ms: 500,
  /** Serves of one machine that egress may ask, and how long one waits for others that are about to listen. */
  vault_listeners_max: 16,
  vault_lock_ms: 30_000,
  /** How often uses are told, how many at a time, how many are kept while serve is away, and how long an end waits for them. */
  vault_uses_ms: 1_000,
  /** By how many of their messages it is known what was told before: those of a minute, of an egress, are some sixty. */
  credential_use_tells_max: 100,
  vault_uses_at_once_max: 500,
  vault_uses_backlog_max: 10_000,
  /** Of these, how many different ones of one session have names. */
  vault_uses_of_session_max: 500,
  vault_goodbye_ms: 2_000,
  /** All secrets of a session together: what hides them takes some 400 times as much memory. More are not used. */
  session_secrets_bytes_max: 128 << 10,
  /** Shorter secrets are not looked for in what comes back: they could be anything. Longer ones than the piece, in pieces. */
  redacted_bytes_min: 12,
  redacted_piece_bytes_max: 128,
  /** Of what could be the beginning of a secret, how much is shown to whoever waits for more. */
  redacted_early_bytes_max: 5,
  /** What stands for a secret is as long as it, within these bounds; the second is of what comes behind a vendor's letters. */
  placeholder_chars_max: 256,
  placeholder_random_chars_min: 24,
  /** How long a session's authority is valid, and from how long before it was made: the clocks of hosts differ. */
  session_authority_ms: 10 * 365 * 24 * 60 * 60_000,
  session_authority_early_ms: 24 * 60 * 60_000,
  /** One request to a token endpoint, and what is read of its answer. */
  oauth_refresh_ms: 15_000,
  oauth_answer_bytes_max: 64 << 10,
  /** A token that would last longer than this is taken for one whose end is not known, in `s`. */
  oauth_expires_s_max: 10 * 366 * 86_400,
  /** An access token is refreshed so long before it expires, or a tenth of its life where that is less. */
  oauth_leeway_ms: 60_000,
  /** How long others leave a refresh to the one who has its turn, how often they look, and how long they wait in all. */
  oauth_turn_ms: 30_000,
  oauth_poll_ms: 200,
  oauth_wait_ms: 45_000,
  /** How often a secret that is newer than the one that was to be refreshed is looked at anew. */
  oauth_rounds_max: 5,
  /** How long it is tried to write down what a token endpoint has given, and the pauses in between. */
  oauth_write_ms: 60_000,
  oauth_write_pause_ms: 250,
  oauth_write_pause_ms_max: 5_000,
  /**
   * After a refresh that failed nobody tries again for so long: at first, at most, where the answer was a refusal, and at most
   * where it asked for longer itself.
   */
  oauth_rest_first_ms: 1_000,
  oauth_rest_ms_max: 60_000,
  oauth_rest_refused_ms: 5 * 60_000,
  oauth_rest_asked_ms_max: 3_600_000,
  /** How long a server that stops waits for refreshes that it has begun. */
  oauth_stop_ms: 5_000,
  /**
   * Of `drover vaults authorize`: one of its requests, how long a person has to give their consent, the rest of a connection to
   * their browser, what is shown of what another server says, and the address that is opened.
   */
  authorize_request_ms: 15_000,
  authorize_wait_ms: 600_000,
  authorize_wait_ms_max: 3_600_000,
  authorize_goodbye_ms: 2_000,
  authorize_said_chars_max: 300,
  authorize_page_chars_max: 16_384,
  /**
   * All that an MCP server is asked to see whether it takes a token, and to end that; what is read of one answer, and the
   * same-origin redirects that are followed.
   */
  credential_probe_ms: 20_000,
  credential_goodbye_ms: 2_000,
  credential_probe_bytes_max: 1 << 20,
  credential_probe_redirects_max: 3,
  /** Validations that a process does at a time, and how long the others wait for their turn. */
  credential_validations_parallel_max: 16,
  credential_validation_wait_ms: 60_000,
  /** What is shown of the answer of somebody else's server: of its body and of its content type. */
  captured_body_chars_max: 4_096,
  captured_type_chars_max: 255,
  /** Of an answer that makes no sense: what is called a token in it, and is not shown. */
  captured_tokens_max: 16,
  /** A list of authorities in a root filesystem; a larger one is not taken for one. */
  trusted_bytes_max: 4 << 20,
} as const;
