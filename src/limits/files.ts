export const files = {
  /** How long a look at the file store may take. */
  file_store_look_ms: 3_000,
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
  /** Files that one session has mounted, the path of one in bytes, and how many of its resources a page has. */
  file_resources_max: 500,
  mount_path_bytes_max: 1_024,
  mount_name_bytes_max: 255,
  session_resources_page_max: 1_000,
  /** How often files are looked for that are over, and of how many rows at a time. */
  files_sweep_ms: 60_000,
  files_sweep_batch_max: 500,
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
} as const;
