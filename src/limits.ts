/** Every bound in one place. The unit is in the name, or it is a count. */
export const limits = {
  /** Connections of one process, beside the one by which it is a member. */
  database_connections_max: 16,
  database_connect_ms: 5_000,
  /** Transactions of one process at a time, on connections of their own. */
  database_transactions_max: 8,
  /** How long one statement may take, its answer be on the way, and a transaction stand still. */
  statement_ms: 15_000,
  statement_answer_ms: 5_000,
  transaction_idle_ms: 15_000,

  /** Sessions written by one append statement. */
  append_batch_max: 128,
  append_batches_in_flight_max: 2,

  /** Folders within each other, in a backup: what lies deeper is left out. */
  backup_folders_deep_max: 200,
  /** What a backup lacks that is named. */
  backup_left_out_named_max: 50,

  /** Entries of a session kept in memory for its readers. */
  watch_recent_max: 256,
  /** Entries read from the database at a time. */
  read_page_max: 500,
  /** How often watched sessions are looked at in case a notification was lost. */
  watch_poll_ms: 5_000,

  /** A process beats this often, and is dead when it has not for so long. */
  process_beat_ms: 2_000,
  process_dead_ms: 15_000,
  /** How often a brain looks for work in case a notification was lost. */
  claim_poll_ms: 1_000,
  claim_pause_ms_min: 50,
  /** The longest wait of a session for the time at which it is due, and more. */
  session_wait_ms_max: 120_000,
  /** Sessions claimed at a time, and driven at once by one process. */
  claim_batch_max: 32,
  sessions_driven_max: 1_000,
  /** Of one workspace: the other places are kept for whoever comes later. */
  sessions_driven_per_workspace_max: 900,
  /** A session whose drive failed for an unforeseen reason rests this long. */
  drive_failed_pause_ms: 5_000,
  /** Text of the conversations of parked sessions that a brain remembers, about. */
  memory_chars_max: 64 << 20,

  /** Time between pings on a silent stream. */
  stream_ping_ms: 10_000,
  /**
   * Events, in bytes of the log, that a slow reader may be behind before its stream is cut. A client's event is on the
   * stream twice, so this is what the largest request makes.
   */
  stream_backlog_bytes_max: 64 << 20,

  /** Parts of a preview that follow each other within this time go out together. */
  preview_coalesce_ms: 30,
  /** A stream that asked for previews says so to the other processes this often at least. */
  preview_want_ms: 10_000,
  /** Text of one preview notification, escaped. */
  preview_notify_bytes_max: 3_600,
  /** Preview notifications of a session that wait for the one before them. */
  previews_telling_max: 100,
  /** Previews that a stream holds back until it has shown what was before them. */
  previews_held_max: 1_000,

  /** Age of a first turn up to which a stream that opens late still starts with it. */
  first_turn_grace_ms: 5_000,

  /** When the server stops, so long for what it still answers, and then for the words that say why it does not. */
  stop_grace_ms: 1_500,
  stop_words_ms: 500,
  /** A connection without a request is closed after this; proxies in front of a server usually do so after 60 s. */
  connection_idle_ms: 75_000,

  request_body_bytes_max: 32 << 20,
  /** How much of a larger one is read and thrown away before the connection is cut. */
  request_discard_bytes_max: 128 << 20,
  /** Levels of nesting in a request's JSON: far more would overflow a stack somewhere. */
  request_json_depth_max: 200,
  /** How long a body of JSON may take to arrive. */
  request_body_ms_max: 5 * 60_000,

  /** One file. MB as the API has them: of 2^20 bytes. */
  file_bytes_max: 500 << 20,
  /** What a form takes beside its file, and one field of it. */
  upload_form_bytes_max: 1 << 20,
  upload_field_bytes_max: 1_024,
  /** Parts of the form of a file, headers of one, and their bytes. */
  upload_parts_max: 20,
  upload_header_pairs_max: 20,
  upload_header_bytes_max: 8 << 10,
  /** How long an upload may take, and how long nothing of it may come. */
  upload_ms_max: 3_600_000,
  upload_idle_ms: 60_000,
  /** Uploads that one process takes at a time; with S3, each holds a part of `s3_part_bytes` in memory. */
  uploads_parallel_max: 64,
  /** A client that takes nothing of a download for so long is cut off. */
  download_idle_ms: 5 * 60_000,
  filename_chars_max: 255,
  mime_type_chars_max: 255,
  file_expiry_seconds_min: 3_600,
  file_expiry_seconds_max: 90 * 24 * 3_600,
  files_page: 20,
  files_page_max: 1_000,
  /** Different ids that a list of files asks for, and all that it names. */
  file_ids_max: 100,
  file_ids_sent_max: 1_000,
  /** How long it is still told of a file that it has expired; and how long a deleted one is the place of a cursor. */
  file_expired_kept_ms: 30 * 24 * 3_600_000,
  file_deleted_kept_ms: 24 * 3_600_000,
  /** How long an output that was written anew can still be had by its id. */
  file_superseded_ms: 3_600_000,
  /** Blocks of one request that name files, and those of them that are documents. */
  file_blocks_max: 500,
  file_documents_max: 100,
  /** What files hold that were shown to a model, as base64, to be shown again. */
  shown_contents_chars_max: 64 << 20,
  /** Files that one session has mounted, the path of one in bytes, and the repositories that it is created with. */
  file_resources_max: 500,
  mount_path_bytes_max: 1_024,
  mount_name_bytes_max: 255,
  repository_resources_max: 20,
  session_resources_page_max: 1_000,
  /** How often files are looked for that are over, and of how many rows at a time. */
  files_sweep_ms: 60_000,
  files_sweep_batch_max: 500,
  /** A skill: all of its files, unpacked or not; how many, and how long the paths are, each and together. */
  skill_bytes_max: 30 << 20,
  skill_files_max: 1_000,
  skill_path_bytes_max: 512,
  skill_paths_bytes_max: 256 << 10,
  skill_name_bytes_max: 255,
  skill_depth_max: 20,
  /** With folders, and what is left out. */
  skill_zip_entries_max: 4_000,
  skill_front_matter_bytes_max: 8 << 10,
  skill_slug_chars_max: 64,
  skill_description_chars_max: 1_024,
  skill_display_name_chars_max: 255,
  /** Skills that one process takes in at a time, in memory; and files of one that it stores at a time. */
  skill_uploads_bytes_max: 128 << 20,
  skill_files_parallel_max: 8,
  /** How long a deleted version is kept that no session has, and how many are removed at a time. */
  skill_deleted_kept_ms: 24 * 3_600_000,
  skills_sweep_batch_max: 100,
  /** Of one repository: skills, what they say of themselves together, and the `bytes` of a SKILL.md. */
  repository_skills_max: 50,
  repository_skills_chars_max: 20_000,
  repository_skill_bytes_max: 256 << 10,
  /** Skills of a session, of all its agents together. */
  session_skills_max: 500,
  /** Repositories that one process fetches at once; how large a fetch of one, or what is taken of it, may be, in `bytes`. */
  repositories_parallel_max: 8,
  repository_bytes_max: 2 * 1024 ** 3,
  /** What is kept of repositories on one machine, in `bytes`, and of one in how many packs. */
  repositories_kept_bytes_max: 20 * 1024 ** 3,
  repository_packs_max: 20,
  /** What a process leaves that died while it fetched is removed after so long. */
  repository_work_ms_max: 6 * 3_600_000,
  /** Memory of each program of git, in `bytes`. */
  git_memory_bytes_max: 4 * 1024 ** 3,
  /** How long one command of git may take, how slow a server may be and for how long, and how much git may answer. */
  git_ms_max: 3_600_000,
  git_slow_bytes_per_second: 1_000,
  git_slow_ms_max: 30_000,
  git_answer_chars_max: 1 << 20,
  /** A repository is brought into a sandbox in pieces of so many `bytes`. */
  repository_piece_bytes: 8 << 20,
  repository_piece_ms_max: 120_000,
  /** How long a sandbox may take to unpack one, and how often a repository is tried that could not be cloned. */
  repository_checkout_ms_max: 30 * 60_000,
  repository_attempts_max: 3,
  /** Content that no row names is kept for so long, in case one is about to. */
  blob_unnamed_ms: 10 * 60_000,
  /** Contents that one sweep looks at. */
  blobs_swept_max: 5_000,
  /** What is to be removed from the file store: how much at a time, and when it is tried again. */
  stray_blobs_batch_max: 32,
  stray_blob_retry_ms: 5 * 60_000,
  /** Questions to an S3-compatible store: how often one is asked, the first pause, which doubles, and how long an answer may take. */
  s3_attempts_max: 4,
  s3_pause_first_ms: 100,
  s3_answer_ms: 60_000,
  /** The parts that larger files are sent in; S3 takes none that is smaller. */
  s3_part_bytes: 5 << 20,
  s3_answer_bytes_max: 1 << 20,

  idempotency_key_chars_max: 255,
  /** How often sandboxes are looked for whose sessions are gone. */
  cleanup_poll_ms: 1_000,

  /** How long an answer is kept for the requests that repeat its own, and how often old ones are looked for. */
  idempotency_kept_ms: 24 * 3_600_000,
  idempotency_sweep_ms: 60_000,
  idempotency_sweep_batch_max: 500,
  /** The largest request's own answer is smaller. */
  idempotency_answer_bytes_max: 48 << 20,
  /** How long a request waits for the one it repeats, looking again after these pauses, which grow. */
  idempotency_wait_ms: 30_000,
  idempotency_pause_first_ms: 10,
  idempotency_pause_longest_ms: 500,
  /** How often an update starts over because another one came first. */
  update_attempts_max: 20,
  initial_events_max: 50,
  events_per_request_max: 1_000,
  /** Of one message or one tool result. */
  content_blocks_max: 1_000,
  /**
   * Of images and documents: what Anthropic's Messages API takes, as platform.claude.com says under "Images and vision"
   * and "PDF support". Sizes are those of the base64. An image may have 10 MB (5 MB on Bedrock and Google Cloud), a
   * whole request 32 MB; the rest of that is for the text. With more than `images_many` images in a request, no side
   * may be longer than `images_many_side_px_max`. The models with the larger windows take more than `images_max`.
   */
  image_base64_chars_max: 10 << 20,
  image_side_px_max: 8_000,
  images_max: 100,
  images_many: 20,
  images_many_side_px_max: 2_000,
  media_chars_max: 24 << 20,
  title_chars_max: 1_000,
  /** How long a worker's poll may wait for work, and after what time unacknowledged work is offered again. */
  work_block_ms_max: 999,
  work_reclaim_ms: 5_000,
  work_reclaim_ms_max: 24 * 3_600_000,
  /** Without a heartbeat a worker has lost its work after so long, unless it asks for more or less. */
  work_lease_ms: 60_000,
  work_lease_ms_min: 1_000,
  work_lease_ms_max: 600_000,
  /** The same for one that has heard that it is to stop: it does not beat while it finishes. */
  work_stopping_ms: 120_000,
  /**
   * Workers in a row that took an item and never came to its session, and the pauses between them, which double. One that does
   * come begins the count anew.
   */
  work_attempts_max: 10,
  work_retry_first_ms: 1_000,
  work_retry_longest_ms: 60_000,
  /** How often leases are looked for that have run out, and how many are taken at a time. */
  work_tend_ms: 1_000,
  work_tend_batch_max: 100,
  /** A worker that serves a session in which nobody has said anything yet is asked to leave it after so long. */
  work_unused_ms: 5 * 60_000,
  /** A worker counts as polling for so long after a poll, and is forgotten after that. */
  work_polling_ms: 30_000,
  work_pollers_kept_ms: 3_600_000,
  /** How long items are kept that have stopped. */
  work_kept_ms: 30 * 24 * 3_600_000,
  work_sweep_ms: 60_000,
  /** How often the metrics of work are renewed. */
  work_seen_ms: 5_000,
  work_sweep_batch_max: 500,
  environment_keys_max: 100,
  /** After so long with nothing to do `drover worker` leaves a session. */
  worker_idle_ms: 60_000,
  /** How often it looks whether sessions of which it has a workspace are over. */
  worker_sweep_ms: 10 * 60_000,
  /** Sessions of which it is kept in memory who their agent is. */
  session_agents_max: 10_000,

  /** Retries of a failed model request, and the wait before them: doubled each time, with jitter. */
  model_retries_max: 5,
  model_retry_first_ms: 500,
  model_retry_longest_ms: 60_000,
  /** Silence of a model provider, pings included, after which its connection counts as broken. */
  model_idle_ms: 120_000,
  /** Of one answer of a model, thoughts included: how long it may take, and its bytes on the wire once unpacked. */
  model_answer_ms_max: 2 * 3_600_000,
  model_answer_bytes_max: 64 << 20,
  /** What is told of an error that a provider explains at length. */
  model_error_chars_max: 2_000,
  /** How long an answer may take that is not streamed: whoever serves it says nothing before it is whole. */
  model_unstreamed_ms_max: 290_000,
  /** How long a model request waits for its turn with a provider that is used to the full, or asked for a pause. */
  model_turn_wait_ms_max: 60_000,
  /** How long all requests to a provider rest that told one of them to come back later. */
  model_pause_ms_max: 30_000,
  /** How long the command line waits for a provider to say that it is there. */
  model_probe_ms: 5_000,
  /** How long a provider's list of models is taken for the present one. */
  model_list_ms: 60_000,
  /** Model requests that a brain began and did not live to end, before the turn is given up. */
  model_orphans_max: 5,
  /** Share of a model's context from which on room is made, and which clearing old results has to get below. */
  context_full_share: 0.8,
  context_cleared_share: 0.6,
  /** Tokens of a result that is worth clearing, and the newest rounds of tool use that are left alone. */
  clear_result_tokens_min: 1_000,
  clear_rounds_kept: 3,
  /** Attempts at a summary that show the model the conversation as it was; later ones tell it as text. */
  whole_summary_attempts: 2,
  /** What is left of a result where a summary that spared it was not enough. */
  squeezed_result_chars: 2_000,
  /** Compactions in a row without an answer in between. */
  compactions_max: 3,
  /** Entries after which the next brain need not read those before. */
  checkpoint_entries: 5_000,
  /** Time that a turn may take, waits for the client left out. */
  turn_ms_max: 24 * 3_600_000,
  /** Tool rounds in one turn. */
  tool_rounds_max: 500,
  parallel_tool_calls_max: 64,

  /** Under the policy `auto`: time of one judgement, judgements at a time, and calls of one reply that are judged. */
  judge_ms: 30_000,
  judge_parallel_max: 8,
  judge_calls_max: 64,
  /** What the judge is shown: a call (a longer one is not judged), the user's words, and what went before. */
  judge_call_chars_max: 64_000,
  judge_user_chars_max: 32_000,
  judge_conversation_chars_max: 16_000,
  judge_conversation_messages_max: 20,
  /** Of its answer, thoughts included. */
  judge_answer_tokens_max: 4_096,

  /** Of a bash call that names none; and the most it may ask for. */
  bash_timeout_ms: 120_000,
  bash_timeout_ms_max: 1_800_000,
  file_tool_timeout_ms: 60_000,
  /** A call of a tool that changes nothing is run again this often: each time something has died under it. */
  tool_replays_max: 3,
  /** How long an interrupt waits for a command to end, when its host does not answer. */
  cancel_grace_ms: 10_000,
  /** Text of one tool result. What is longer is kept in a file, and the model sees this much of its two ends, together. */
  tool_output_chars_max: 100_000,
  tool_preview_chars: 16_000,
  /** What a step in the sandbox hands over: as many characters of UTF-8, at three bytes for each. */
  tool_output_bytes_max: 300_000,
  /** The largest PDF that is shown to the model, and the largest file of which the lines are counted. */
  pdf_read_base64_chars_max: 16 << 20,
  lines_counted_bytes_max: 64 << 20,
  /** The largest file that can be edited, and what may become of it. */
  edit_bytes_max: 8 << 20,
  edited_bytes_max: 32 << 20,
  /** Of a path and a pattern that a model names; the system takes no longer paths. */
  tool_path_chars_max: 4_096,
  tool_pattern_chars_max: 4_096,
  /** Files that `glob` names, and lines that `grep` shows. */
  glob_files_max: 100,
  grep_lines_max: 1_000,
  /** One kept output, and all of a session's together; then the oldest go. */
  kept_output_bytes_max: 64 << 20,
  kept_outputs_bytes_max: 1 << 30,

  /** Commands of an environment's `setup`. */
  setup_commands_max: 50,
  setup_command_chars_max: 16_384,
  setup_command_ms_max: 20 * 60_000,
  /** An image once unpacked: its files and folders, and the bytes of its layers; and how many of those it has. */
  image_files_max: 2_000_000,
  image_bytes_max: 64 * 1024 ** 3,
  image_layers_max: 256,
  /** What an archive of an image holds beside its layers, and each document of it. */
  image_archive_parts_max: 10_000,
  image_document_bytes_max: 8 << 20,
  /** Of an image's own variables. */
  image_variables_max: 200,
  image_variable_chars_max: 32_768,
  /** Memory of the program that unpacks, and a line that it says. */
  image_heap_mb: 1_024,
  image_line_bytes_max: 16 << 20,
  /** Installing the packages of an environment: the time, its memory and processes, and what it may put on the disk. */
  layer_ms_max: 20 * 60_000,
  layer_memory_bytes: 4 * 1024 ** 3,
  layer_processes: 1_024,
  layer_bytes_max: 16 * 1024 ** 3,
  layer_files_max: 1_000_000,
  layer_file_bytes_max: 8 * 1024 ** 3,
  /** How often that is counted, and how often it is looked whether so much of the host's disk is still free. */
  layer_bytes_watch_ms: 5_000,
  layer_disk_watch_ms: 200,
  layer_disk_free_bytes_min: 1024 ** 3,
  /** Of what an installer or a setup command says so much is read at once, and then nothing for this time. */
  setup_output_bytes_at_once: 1 << 20,
  setup_output_pause_ms: 100,
  layers_parallel_max: 2,
  /** All layers of a host together: with more, those go that were not used for longest, and not within this time. */
  layers_bytes_max: 32 * 1024 ** 3,
  layers_unused_ms: 10 * 60_000,
  /** What is told of one that failed, and a line of its progress. */
  setup_failure_chars_max: 4_000,
  setup_line_chars_max: 500,
  /** Lines of progress: how many there are of one set-up at most, the pause between two, and by which part of its time that grows. */
  setup_lines_max: 300,
  setup_line_pause_ms: 1_000,
  setup_line_pause_share: 1 / 50,
  sandbox_tmp_bytes: 1024 ** 3,
  sandbox_file_bytes_max: 4 * 1024 ** 3,
  /**
   * Disks of sandboxes that are made ahead, how long after one was taken; for how long one that nobody needs stays mounted,
   * and the smallest.
   */
  sandbox_disks_prepared: 2,
  sandbox_disk_ahead_ms: 100,
  sandbox_disk_rest_ms: 10_000,
  sandbox_disk_bytes_min: 16 << 20,
  sandbox_disk_error_chars_max: 300,
  /** Files that a program in a sandbox may have open, and to how many it can raise that. */
  sandbox_open_files: 8_192,
  sandbox_open_files_max: 65_536,
  /** Of 1,000: how much sooner than a server a sandbox is ended where the machine has no memory left. */
  sandbox_oom_score: 500,
  /** What gVisor needs for itself beside the memory of a sandbox, in `bytes`; its threads, and how many for each of the sandbox's. */
  gvisor_memory_bytes: 64 << 20,
  gvisor_threads: 1_024,
  gvisor_threads_each: 16,
  /** For an answer of a container engine, in `ms`; what ends a container by force may take it some seconds. */
  engine_answer_ms_max: 20_000,

  /**
   * Sandboxes running at once on one host: one for so much of its memory, within bounds. One that rests takes a small part
   * of that; one that works may take more.
   */
  sandbox_memory_share_bytes: 96 << 20,
  sandboxes_max_least: 16,
  sandboxes_max_most: 1_000,
  /** A sandbox that nobody used for so long is ended, and one whose background jobs still run after so long. */
  sandbox_idle_ms: 15 * 60_000,
  sandbox_idle_with_jobs_ms: 4 * 3_600_000,
  sandbox_start_ms_max: 10_000,
  /** How long a call waits for room on a host. */
  sandbox_room_wait_ms: 60_000,
  /** Time a signalled command has to end before a harder signal, and a killed one before its sandbox goes. */
  sandbox_signal_grace_ms: 500,
  sandbox_kill_grace_ms: 3_000,
  /** What background jobs write between two calls, kept for the second one. */
  background_output_bytes_max: 16 << 10,
  exec_stderr_bytes_max: 16 << 10,

  /**
   * A workspace that no call uses is kept after this time; one in use so long after it was changed at the latest, the first
   * time and later; where that failed, again after that one.
   */
  checkpoint_after_ms: 2_000,
  checkpoint_first_ms: 30_000,
  checkpoint_every_ms: 5 * 60_000,
  checkpoint_retry_ms: 60_000,
  /** What a checkpoint may take, and how long `hands` that end wait for the last ones. */
  checkpoint_ms_max: 20 * 60_000,
  checkpoint_closing_ms_max: 8_000,
  /** A fork that was not made within this time is not made any more: what was copied for it is removed. */
  fork_ms_max: 5 * 60_000,
  /** How long a fork waits for what its session has done last to be kept. A transaction may stand still for longer. */
  checkpoint_copy_wait_ms: 10_000,
  /** One that is not wanted any more ends by itself within this time, or is ended. */
  checkpoint_stop_ms_max: 2_000,
  /** What it keeps of a workspace: files and folders, bytes as files say them, of one file, levels, bytes of all paths and targets. */
  checkpoint_files_max: 300_000,
  checkpoint_bytes_max: 64 * 1024 ** 3,
  checkpoint_file_bytes_max: 4 * 1024 ** 3,
  checkpoint_depth_max: 200,
  checkpoint_path_bytes_max: 64 << 20,
  checkpoint_manifest_bytes_max: 400 << 20,
  /**
   * A file that changed so shortly before is read again the next time: it may change once more and look the same. What is
   * written through a mapping does so until the system has written it to the disk, which it does within 35 s.
   */
  checkpoint_settled_ms: 60_000,
  /** Calls that it names as those that it came after. */
  checkpoint_calls_max: 64,
  /** What is read before it is put into the storage for good. */
  checkpoint_commit_files: 1_000,
  checkpoint_commit_bytes: 1 << 30,
  /** Of one sandbox: the newest, and fewer of the older ones. */
  checkpoints_kept_max: 50,
  /** How often workspaces are looked for that were kept long enough, and how many are taken at a time. */
  expiry_poll_ms: 60_000,
  expiry_batch_max: 100,
  /** How long a call waits for its workspace to be brought back. */
  restore_ms_max: 10 * 60_000,
  restores_parallel_max: 4,
  /** Paths that are said to be missing, and how much of each. */
  restored_missing_max: 50,
  restored_path_chars_max: 300,
  /** Restores of a workspace, one after the other, that nobody was told of; of more, the newest are told. */
  restores_untold_max: 10,
  /** Other questions to the storage. */
  storage_ms_max: 60_000,
  /** What no checkpoint names is kept for so long, and looked for this often. */
  storage_grace_ms: 24 * 3_600_000,
  storage_collect_ms: 6 * 3_600_000,
  storage_collect_ms_max: 5 * 3_600_000,
  /** The process that reads and writes workspaces is let go when it has had nothing to do for so long. */
  checkpoint_worker_idle_ms: 60_000,
  checkpoint_worker_heap_mb: 2_048,

  /** Network namespaces that are ready before a sandbox needs one: this many, or as many as were taken lately. */
  network_slots_spare: 4,
  network_slots_spare_max: 16,
  network_slots_lately_ms: 10_000,
  /** How long after one was taken the next is made. */
  network_slots_ahead_ms: 60,
  /** Those that are made at a time, where sandboxes wait for them, and how long one may take. */
  network_slots_making_max: 4,
  network_slot_ms_max: 30_000,
  /** Connections that a sandbox may have open, and what else of it is answered: connections and names in a second. */
  network_connections_max: 128,
  network_requests_per_second_max: 500,
  /** Beside those, connections that are refused in words, and those over which names are asked for. */
  network_refused_open_max: 32,
  network_name_connections_max: 16,
  network_name_ms_max: 10_000,
  /** How often what a sandbox has used is written down. */
  network_meter_save_ms: 5_000,
  /** What is told of refused connections with the result of a call: different ones, and how much of each. */
  network_refused_told_max: 20,
  network_refused_host_chars_max: 255,
  network_refused_reason_chars_max: 500,
  /** How long a connection waits for the egress process, how often it is tried, and how long the answer may take that it is not there. */
  egress_wait_ms: 5_000,
  egress_retry_ms: 100,
  egress_goodbye_ms: 2_000,
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
  /** Serves of one machine that egress may ask, and how long one waits for others that are about to listen. */
  vault_listeners_max: 16,
  vault_lock_ms: 30_000,
  /** How often uses are told, how many at a time, how many are kept while serve is away, and how long an end waits for them. */
  vault_uses_ms: 1_000,
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
  /** After a refresh that failed nobody tries again for so long: at first, at most, and where the answer was a refusal. */
  oauth_rest_first_ms: 1_000,
  oauth_rest_ms_max: 60_000,
  oauth_rest_refused_ms: 5 * 60_000,
  /** How long a server that stops waits for refreshes that it has begun. */
  oauth_stop_ms: 5_000,
  /**
   * Of `drover vaults authorize`: one of its requests, how long a person has to give their consent, the rest of a connection to
   * their browser, and what is shown of what another server says.
   */
  authorize_request_ms: 15_000,
  authorize_wait_ms: 600_000,
  authorize_wait_ms_max: 3_600_000,
  authorize_goodbye_ms: 2_000,
  authorize_said_chars_max: 300,
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
  /** A list of authorities in a root filesystem; a larger one is not taken for one. */
  trusted_bytes_max: 4 << 20,

  /** One message between a brain and `hands`. */
  hands_line_bytes_max: 64 << 20,
  /** A piece of a content on its way to a host, and how many contents a session sends at a time. */
  blob_piece_bytes: 1 << 20,
  blobs_sent_parallel_max: 4,
  /** How often it is begun anew to bring a host what it has lost meanwhile. */
  mount_rounds_max: 3,
  /** Files that a session mounts in all. */
  mounts_max: 50_000,
  /** A host keeps contents that no sandbox uses for so long, and so much of them; what has just come or was asked for rests. */
  hands_blob_unused_ms: 24 * 3_600_000,
  hands_blobs_unused_bytes_max: 20 * 1024 ** 3,
  hands_blob_rest_ms: 3_600_000,
  /** A content of which nothing more has come for so long, and how often a host looks. */
  hands_blob_part_ms: 24 * 3_600_000,
  hands_blobs_sweep_ms: 3_600_000,
  /** Settled calls of a session that `hands` remembers, and the largest result that it keeps, in base64. */
  hands_calls_kept: 128,
  /** Of a session's outputs: how many are kept as files, beneath how many folders, and how long their paths may be. */
  outputs_files_max: 2_000,
  outputs_depth_max: 32,
  outputs_path_bytes_max: 1_024,
  /** Names in the folder and beneath it that are looked at. */
  outputs_entries_max: 10_000,
  /** The time that one was written at, before and after 1970: that of the last and the first day that JavaScript has. */
  outputs_time_ms_max: 8.64e15,
  /** What a host may say of one that is left out. */
  outputs_said_chars_max: 16_384,
  /** All of them together, in `bytes`. */
  outputs_bytes_max: 5 * 1024 ** 3,
  /** What is told of outputs that are left out: how many of them by their paths. */
  outputs_left_out_max: 20,
  /** How often the outputs of a sandbox are looked at in which something runs, and for which part of the time at most. */
  outputs_look_ms: 400,
  outputs_look_share_max: 1 / 20,
  /**
   * An output that changed so shortly before is left for later, while something runs and when nothing does; and as much longer
   * for each so many `bytes` of it, so that one that is written to again and again is not taken all the time.
   */
  outputs_rest_ms: 300,
  outputs_settle_ms: 50,
  outputs_rest_bytes: 8 << 20,
  /** How much of an output is asked for at a time. */
  output_chunk_bytes: 1 << 20,
  /** Files of a session's outputs, with those that were written anew and are not removed yet, and what they take. */
  output_files_kept_max: 8_000,
  output_bytes_kept_max: 20 * 1024 ** 3,
  /** How many outputs the log of a session tells of that are left out. */
  outputs_told_max: 100,
  /** Sandboxes at a time from which a process takes outputs, and how long others leave it to one that is not heard of. */
  outputs_taken_parallel_max: 8,
  /** After so long a process looks anew at what there is to take from a sandbox. */
  outputs_batch_ms: 1_000,
  output_turn_ms: 15_000,
  /** The first and the longest pause before outputs that could not be taken are tried again, and how many a process knows of. */
  outputs_retry_ms: 5_000,
  outputs_retry_ms_max: 300_000,
  outputs_failed_max: 10_000,
  /** How long a sandbox that is to be removed waits for its last outputs to be taken. */
  outputs_last_ms: 30_000,
  /** How often hosts are asked whose outputs are to be taken, and about how many they say it at a time. */
  outputs_poll_ms: 1_000,
  outputs_changed_max: 1_000,
  hands_result_kept_chars_max: 512 << 10,
  hands_journals_open_max: 256,
  hands_reconnect_first_ms: 20,
  hands_reconnect_longest_ms: 1_000,
  /** A host is asked this often whether it is there, and its connection is given up when nothing came for so long. */
  hands_ping_ms: 3_000,
  hands_silent_ms: 10_000,
  /** A host of which nothing was heard for so long is given up, and its sessions go on elsewhere. */
  host_gone_ms: 30_000,
  /** The same seen from the host: how long the other side of a connection may be silent, and take to prove who it is. */
  hands_client_silent_ms: 60_000,
  hands_handshake_ms: 10_000,
  hands_connections_max: 256,
  /** Connections at a time of which that is not known yet: with one more, the oldest is closed. */
  hands_strangers_max: 128,
  /** How long the last words of a host that leaves may take. */
  hands_goodbye_ms: 2_000,
  /** How often hosts are told of sandboxes that have gone on elsewhere, and of how many at a time. */
  abandoned_sweep_ms: 60_000,
  abandoned_batch_max: 100,

  /** To find a name's address (twice as long at most), and to connect to it, where others choose the address. */
  net_resolve_ms: 3_000,
  net_connect_ms: 10_000,
  /** How often a connection that rests is asked for whether its other end is there. */
  net_keep_alive_ms: 60_000,

  /** The line before the bytes of a sandbox's connection: it names the hosts that may be reached. */
  egress_line_bytes_max: 256 << 10,
  egress_line_ms: 10_000,
  /** How long a connection waits for an egress process beside a serve that takes it. */
  egress_upstream_wait_ms: 5_000,
  /** Connections of all sandboxes at once, and requests on one that have no answer yet. */
  egress_connections_max: 20_000,
  /** Of those, how many one sandbox host on another machine may have. */
  egress_host_connections_max: 5_000,
  egress_requests_per_connection_max: 32,
  /** The head of one request, and how long the next one may take, the wait for it included. */
  egress_head_bytes_max: 64 << 10,
  egress_head_ms: 75_000,
  /** The first message of a TLS connection, and how long it may take once it has begun. */
  egress_hello_bytes_max: 16 << 10,
  egress_hello_ms: 10_000,
  /** How long a program that was answered with a refusal may go on with what it was saying. */
  egress_linger_ms: 5_000,
  /** A connection on which nothing came or went for so long is closed. */
  egress_idle_ms: 15 * 60_000,
  /** Refusals that a watcher has not read yet: with more, it is cut off. */
  egress_watch_backlog_bytes_max: 4 << 20,

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

  /** To connect to an MCP server and hear of all its tools. */
  mcp_list_ms: 30_000,
  /** How long a call may take without a word of its progress, and in all. */
  mcp_call_ms: 120_000,
  mcp_call_ms_max: 1_800_000,
  /** A connection that nobody has used for so long is closed, and how long saying so to the server may take. */
  mcp_idle_ms: 60_000,
  mcp_goodbye_ms: 2_000,
  mcp_connections_max: 1_000,
  /** One message of a server, and all that comes as the answer to one request, in `bytes`. */
  mcp_message_bytes_max: 16 << 20,
  mcp_answer_bytes_max: 64 << 20,
  /** A stream that broke is asked for again after a pause between these, whatever the server says, and so often in all. */
  mcp_retry_ms_min: 250,
  mcp_retry_ms_max: 30_000,
  mcp_retries_max: 100,
  /** What a server may offer: pages of tools, and tools. */
  mcp_pages_max: 64,
  mcp_tools_max: 128,
  /** Of one tool, and of what the model is told of all of a server's. */
  mcp_tool_name_chars_max: 128,
  mcp_description_chars_max: 8_000,
  mcp_schema_chars_max: 32_000,
  mcp_schema_depth_max: 32,
  mcp_tools_chars_max: 400_000,
  /** Tools that were left out which the client is told of. */
  mcp_left_out_told_max: 20,
  mcp_error_chars_max: 2_000,
} as const;
