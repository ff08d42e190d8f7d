export const repositories = {
  /** Repositories that a session is created with. */
  repository_resources_max: 20,
  /** Of one repository: skills, what they say of themselves together, and the `bytes` of a SKILL.md. */
  repository_skills_max: 50,
  repository_skills_chars_max: 20_000,
  repository_skill_bytes_max: 256 << 10,
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
} as const;
