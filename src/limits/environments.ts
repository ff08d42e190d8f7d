export const environments = {
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
} as const;
