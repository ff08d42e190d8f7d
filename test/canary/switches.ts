import type { Change } from "../harness/changed-version.ts";

/** A protection, and a version of the program that lacks it. */
export interface Switch {
  protection: string;
  changes: readonly Change[];
  /** Of the attempts those that are to find something by that. */
  tries: readonly string[];
  /** What is found then, among other things: `place: where: what`. */
  finds: RegExp;
}

const some = ["echo plain", "environment"];

export const switches: readonly Switch[] = [
  {
    protection: "a sandbox has a placeholder in the place of a secret",
    changes: [
      ["src/resources/session-pass/pass.ts", "placeholderFor(await secretOf(each))", "await secretOf(each)"],
    ],
    tries: some,
    finds: /^files in the sandbox: loot\/environment.*: header, as it is$/m,
  },
  {
    protection: "a secret goes to its credential's hosts alone",
    changes: [["src/egress/usable.ts", "hosts === null || isOneOf(to.host, hosts)", "true"]],
    tries: ["another host"],
    finds: /^what other hosts received: all: header, as it is$/m,
  },
  {
    protection: "a host proves that it is the one",
    changes: [["src/egress/tls-ends.ts", "rejectUnauthorized: true", "rejectUnauthorized: false"]],
    tries: ["another host"],
    finds: /^what other hosts received: all: header, as it is$/m,
  },
  {
    protection: "a repository's token goes to that repository",
    changes: [["src/egress/usable.ts", "asks: (path) => isGit(path, base)", "asks: () => true"]],
    tries: ["git of other repositories"],
    finds: /^requests for other repositories: all: repository, base64/m,
  },
  {
    protection: "egress takes secrets out of what comes back",
    changes: [
      [
        "src/egress/inside.ts",
        "known?.redactor.hides_any ? known.redactor : null",
        "null as Redactor | null",
      ],
    ],
    tries: some,
    finds: /^files in the sandbox: loot\/echo-plain.*: header, as it is$/m,
  },
  {
    protection: "a request with a secret asks for no part of an answer",
    changes: [["src/egress/prepare.ts", "!mayUse ? substituted", "true ? substituted"]],
    tries: some,
    finds: /^events: an answer in parts: header, its last half$/m,
  },
  {
    protection: "serve takes secrets out of the results of tools",
    changes: [
      [
        "src/brain/credentials.ts",
        'block.type === "text" ? { ...block, text: redactor.text(block.text) } : block',
        "block",
      ],
    ],
    tries: some,
    finds: /^events: read elsewhere: header, as it is$/m,
  },
  {
    protection: "serve takes bearers out of what MCP servers answer",
    changes: [
      [
        "src/tools/mcp/attempts.ts",
        "held.requests.redactor().within(shownResult(attempt.answer))",
        "shownResult(attempt.answer)",
      ],
    ],
    tries: some,
    finds: /^lists of events: all: bearer, as it is$/m,
  },
  {
    protection: "serve takes bearers out of what MCP servers say of their tools",
    changes: [
      [
        "src/tools/mcp/mcp.ts",
        "...held.requests.redactor().within(usableTools(tools))",
        "...usableTools(tools)",
      ],
    ],
    tries: some,
    finds: /^dump of the database: .*: bearer, as it is$/m,
  },
  {
    protection: "a provider's key is taken out of its errors",
    changes: [
      ["src/models/loggable.ts", 'text.replaceAll(api_key, "[the key]")', "text"],
      ["src/models/loggable.ts", 'named.replace(/\\bBearer [^\\s"\']+/gi, "Bearer [the key]")', "named"],
    ],
    tries: some,
    finds: /^dump of the database: .*: provider, as it is$/m,
  },
  {
    protection: "secrets are sealed in the database",
    changes: [
      [
        "src/vault/seal.ts",
        "    async seal(secret, place) {",
        "    async seal(secret, place) {\n      return secret;",
      ],
      [
        "src/vault/seal.ts",
        "    async open(sealed, place) {",
        '    async open(sealed, place) {\n      if (!sealed.startsWith("v1:")) return sealed;',
      ],
    ],
    tries: some,
    finds: /^dump of the database: public\.credential: header, as it is$/m,
  },
  {
    protection: "egress learns the secrets of the sessions whose pass it was told",
    changes: [["src/resources/session-pass/resolve.ts", "if (!isSamePass(own.pass, pass)) return null;", ""]],
    tries: some,
    finds: /^vault socket: by a wrong pass: header, as it is$/m,
  },
  {
    protection: "sockets are open to the one user who needs them",
    changes: [["src/net/local-socket.ts", "chmodSync(socket_path, 0o600)", "chmodSync(socket_path, 0o666)"]],
    tries: some,
    finds: /^sockets: vault\.sock: another user can connect to it$/m,
  },
  {
    protection: "hands and egress are given no key",
    changes: [
      [
        "src/cli/up.ts",
        "const plainEnv = (config: Config) => ({",
        "const plainEnv = (config: Config) => ({\n  ...process.env,",
      ],
    ],
    tries: some,
    finds: /^environment of egress and hands: drover (hands|egress).*: provider, as it is$/m,
  },
  {
    protection: "a clone's origin is the plain URL",
    changes: [
      [
        "src/brain/place-repositories.ts",
        "await placeRepository(repository, fetched,",
        'await placeRepository({ ...repository, url: url.replace("//", "//x-access-token:" + token + "@") }, fetched,',
      ],
    ],
    tries: ["git configuration and packs"],
    finds: /^files in the sandbox: (loot\/git-configuration|project\/).*: repository, as it is$/m,
  },
];
