export const skills = {
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
  /** Skills of a session, of all its agents together. */
  session_skills_max: 500,
} as const;
