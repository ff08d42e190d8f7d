import type { Command } from "commander";

export type Groups = Record<string, Record<string, () => Promise<Command>>>;

/** By the name that each has itself, in the order in which the help has them. `main` is the program that children run. */
export const commandGroups = (main: string): Groups => ({
  "Agents at work:": {
    chat: async () => (await import("./client/chat.ts")).chatCommand(),
    run: async () => (await import("./client/run.ts")).runCommand(),
    sessions: async () => (await import("./client/sessions.ts")).sessionsCommand(),
    agents: async () => (await import("./client/agents.ts")).agentsCommand(),
    environments: async () => (await import("./client/environments.ts")).environmentsCommand(),
    files: async () => (await import("./client/files.ts")).filesCommand(),
    skills: async () => (await import("./client/skills.ts")).skillsCommand(),
    vaults: async () => (await import("./client/vaults.ts")).vaultsCommand(),
    usage: async () => (await import("./client/usage.ts")).usageCommand(),
    audit: async () => (await import("./client/audit.ts")).auditCommand(),
    profiles: async () => (await import("./client/profiles.ts")).profilesCommand(),
    completion: async () => (await import("./completion.ts")).completionCommand(),
  },
  "This machine:": {
    up: async () => (await import("./up.ts")).upCommand(main),
    doctor: async () => (await import("./doctor.ts")).doctorCommand(),
    models: async () => (await import("./models.ts")).modelsCommand(),
    keys: async () => (await import("./keys.ts")).keysCommand(),
    backup: async () => (await import("./backup.ts")).backupCommand(),
    restore: async () => (await import("./restore.ts")).restoreCommand(),
    image: async () => (await import("./image.ts")).imageCommand(),
    certs: async () => (await import("./certs.ts")).certsCommand(),
    bench: async () => (await import("./bench.ts")).benchCommand(),
  },
  "Parts of a server:": {
    serve: async () => (await import("./serve.ts")).serveCommand(),
    hands: async () => (await import("./hands.ts")).handsCommand(),
    egress: async () => (await import("./egress.ts")).egressCommand(),
    worker: async () => (await import("./worker.ts")).workerCommand(),
  },
});

/** Short names of those that the API has long ones for. */
export const aliases: Record<string, string> = { envs: "environments" };
