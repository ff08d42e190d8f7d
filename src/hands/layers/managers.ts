import { readFileSync } from "node:fs";
import type { Mirrors } from "../../config/mirrors.ts";
import type { PackageManager } from "../../protocol/environments.ts";

/** How each package manager installs for every user of a sandbox. Names come as arguments of a script for bash. */
export interface Installing {
  manager: PackageManager;
  /** A command that only works where the manager is there. */
  probe: string;
  script: string;
  /** What installs the manager itself, in Debian's words. Null where nothing does. */
  debian: string | null;
}

/** In the order in which they run: what a later one needs, such as a compiler, an earlier one may have brought. */
export const installing: readonly Installing[] = [
  {
    manager: "apt",
    probe: "command -v apt-get && command -v dpkg",
    script: readFileSync(new URL("./install-apt.bash", import.meta.url), "utf8"),
    debian: null,
  },
  {
    manager: "cargo",
    probe: "command -v cargo",
    script: `
      if [[ $CARGO_MIRROR ]]; then
        mkdir -p "$CARGO_HOME"
        printf '[source.crates-io]\\nreplace-with = "mirror"\\n[source.mirror]\\nregistry = "%s"\\n' "$CARGO_MIRROR" >"$CARGO_HOME/config.toml"
      fi
      exec cargo install --root /usr/local --no-track -- "$@"`,
    debian: "cargo",
  },
  {
    manager: "gem",
    probe: "command -v gem",
    script: `
      source=()
      if [[ $GEM_MIRROR ]]; then source=(--clear-sources --source "$GEM_MIRROR"); fi
      exec gem install --no-document "\${source[@]}" "$@"`,
    debian: "ruby",
  },
  {
    manager: "go",
    probe: "command -v go",
    script: `
      set -e
      export GOBIN=/usr/local/bin
      for name; do
        [[ $name == *@* ]] || name=$name@latest
        go install -- "$name"
      done`,
    debian: "golang-go",
  },
  {
    manager: "npm",
    probe: "command -v npm",
    script: 'exec npm install --global --no-fund --no-audit --no-update-notifier -- "$@"',
    debian: "npm",
  },
  {
    manager: "pip",
    probe: "python3 -m pip --version",
    script: 'exec python3 -m pip install --no-cache-dir --disable-pip-version-check --no-input -- "$@"',
    debian: "python3-pip",
  },
];

/** Where the installers find another registry than the usual one. */
export function variablesOfMirrors({ cargo, gem, go, npm, pip }: Mirrors): Record<string, string> {
  return {
    ...(cargo && { CARGO_MIRROR: `sparse+${cargo.replace(/\/?$/, "/")}` }),
    ...(gem && { GEM_MIRROR: gem }),
    ...(go && { GOPROXY: go }),
    ...(npm && { NPM_CONFIG_REGISTRY: npm }),
    ...(pip && { PIP_INDEX_URL: pip }),
    // Such a one may be without TLS, in a network that is trusted.
    ...(pip && new URL(pip).protocol === "http:" && { PIP_TRUSTED_HOST: new URL(pip).hostname }),
  };
}

/** Variables of all of them. What they keep for themselves goes with the build. */
export const installerVariables: Readonly<Record<string, string>> = {
  HOME: "/root",
  USER: "root",
  LOGNAME: "root",
  SHELL: "/bin/bash",
  LANG: "C.UTF-8",
  TERM: "dumb",
  DEBIAN_FRONTEND: "noninteractive",
  CARGO_HOME: "/tmp/cargo",
  CARGO_REGISTRIES_CRATES_IO_PROTOCOL: "sparse",
  CARGO_TARGET_DIR: "/tmp/cargo-target",
  GOPATH: "/tmp/go",
  GOCACHE: "/tmp/go-cache",
  GOFLAGS: "-modcacherw",
  NPM_CONFIG_CACHE: "/tmp/npm",
  PIP_BREAK_SYSTEM_PACKAGES: "1",
  PIP_ROOT_USER_ACTION: "ignore",
  PIP_PROGRESS_BAR: "off",
};
