/** A setting as it may be shown: secrets, and what may hold some, only by whether they are set. */
export interface Setting {
  name: string;
  /** Null: it is not set, or not shown. */
  value: string | null;
  is_set: boolean;
  source: "environment" | "file" | "default";
}

/** Those of which the value holds no secret, and cannot. All others are shown by their names alone. */
const plain = new Set(
  [
    "PORT HOST DATA_DIR CONFIG JUDGE_MODEL PRICES RUNTIME_PRICE CAP_PER_AGENT CAP_PER_AGENT_DAY CAP_PER_WORKSPACE",
    "CAP_PER_WORKSPACE_DAY ALLOW_PRIVATE_HOSTS SEARCH SEARCH_MODEL STORAGE WORKSPACE_DAYS WORK_LEASE METRICS FILES_QUOTA",
    "FILES_DOWNLOADABLE HANDS_HOSTS HOST_GONE SANDBOXES_MAX DRIVER DOCKER_IMAGE DOCKER_RUNTIME PACKAGE_HOSTS EGRESS_NAMES",
    "EGRESS_LISTEN EGRESS_UPSTREAM LOG HELLO CONSOLE_BUILD",
  ]
    .join(" ")
    .split(" ")
    .map((name) => `DROVER_${name}`),
);

/** All settings by name. `inFile`: the sections of the configuration file that say something. */
export function settingsOf(
  names: readonly string[],
  env: Record<string, string | undefined>,
  inFile: readonly string[],
): Setting[] {
  const variables = names.map((name): Setting => {
    const value = env[name] || undefined;
    const source = value === undefined ? "default" : "environment";
    return { name, value: plain.has(name) ? (value ?? null) : null, is_set: value !== undefined, source };
  });
  const sections = inFile.map((name): Setting => ({ name, value: null, is_set: true, source: "file" }));
  return [...variables, ...sections];
}
