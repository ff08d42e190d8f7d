import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { createApp } from "./api/app.ts";
import { apiKeys, firstOf, isKeyOf } from "./api/auth.ts";
import { createSignInAttempts } from "./api/console/attempts.ts";
import { builtConsole, type ConsoleFiles } from "./api/console/files.ts";
import { createHttpServer } from "./api/http.ts";
import { agentRoutes } from "./api/routes/agents.ts";
import { consoleRoutes } from "./api/routes/console.ts";
import { credentialValidationRoutes } from "./api/routes/credential-validation.ts";
import { credentialRoutes } from "./api/routes/credentials.ts";
import { environmentKeyRoutes } from "./api/routes/environment-keys.ts";
import { environmentRoutes } from "./api/routes/environments.ts";
import { eventRoutes } from "./api/routes/events.ts";
import { fileRoutes } from "./api/routes/files.ts";
import { messagesRoutes } from "./api/routes/messages.ts";
import { modelRoutes } from "./api/routes/models.ts";
import { pendingActionRoutes } from "./api/routes/pending-actions.ts";
import { sessionErrorRoutes } from "./api/routes/session-errors.ts";
import { sessionResourceRoutes } from "./api/routes/session-resources.ts";
import { sessionRoutes } from "./api/routes/sessions.ts";
import { skillRoutes } from "./api/routes/skills.ts";
import { systemRoutes } from "./api/routes/system.ts";
import { usageRoutes } from "./api/routes/usage.ts";
import { vaultRoutes } from "./api/routes/vaults.ts";
import { workRoutes } from "./api/routes/work.ts";
import { createWorks } from "./api/work.ts";
import { type Brain, startBrain } from "./brain/brain.ts";
import { callModel } from "./brain/call-model.ts";
import { capsOf } from "./brain/caps.ts";
import { messagesSpending } from "./brain/messages-spending.ts";
import { settle } from "./brain/settle.ts";
import type { Spending } from "./brain/spending.ts";
import type { FilesSettings } from "./config/files.ts";
import type { McpSettings } from "./config/mcp.ts";
import type { RepositoriesSettings } from "./config/repositories.ts";
import type { SandboxSettings } from "./config/sandboxes.ts";
import type { Setting } from "./config/settings.ts";
import type { SearchSettings } from "./config/web.ts";
import type { Caps } from "./config.ts";
import { openDatabase } from "./db/database.ts";
import { type Migration, migrate } from "./db/migrate.ts";
import { createBlobs } from "./files/blobs.ts";
import { openFileStore, requireOwnStore } from "./files/open.ts";
import type { HostConnection } from "./hands/client.ts";
import { createFleet } from "./hands/fleet.ts";
import { startJobs } from "./jobs/jobs.ts";
import { limits } from "./limits.ts";
import { cleanUnlessMade } from "./log/cleanup.ts";
import { createLog, type LogEvents } from "./log/group-commit.ts";
import { joinMembers, type Member, type MemberEvents, notifyPreview } from "./log/member.ts";
import { placementsIn } from "./log/placement.ts";
import { createPreviews } from "./log/previews.ts";
import { createWatches } from "./log/watch.ts";
import { listenForMetrics } from "./metrics/listen.ts";
import { createMetrics } from "./metrics/metrics.ts";
import type { ModelListing } from "./models/listing.ts";
import type { Candidates, Models } from "./models/model.ts";
import { type Prices, search_nano } from "./models/prices.ts";
import { createGuard } from "./net/guard.ts";
import { createReach, hostOf } from "./net/reach.ts";
import { takeLastOutputs } from "./outputs/last.ts";
import { startTakingOutputs } from "./outputs/taking.ts";
import { ApiError } from "./protocol/errors.ts";
import { newId } from "./protocol/ids.ts";
import { nanoPerDollar } from "./protocol/money.ts";
import { defaultWorkspaceId } from "./protocol/principal.ts";
import { createRepositories } from "./repositories/fetch.ts";
import { openWorkingCopies } from "./repositories/working-copies.ts";
import { consolePrincipal, isStillSignedIn } from "./resources/console-sessions.ts";
import { createBearers } from "./resources/credentials/bearers.ts";
import { createRefreshing } from "./resources/credentials/refresh.ts";
import { otherKeys } from "./resources/sealed/rotate.ts";
import { notePassUses } from "./resources/session-pass/note.ts";
import { sandboxCredentials } from "./resources/session-pass/pass.ts";
import { hiddenSecrets, resolveSecrets } from "./resources/session-pass/resolve.ts";
import { isJudged, isSearching } from "./resources/sessions/budget.ts";
import { listMounts } from "./resources/sessions/mounts.ts";
import { tokensIn } from "./resources/sessions/repositories.ts";
import { rememberAgents } from "./resources/sessions/session-agents.ts";
import { createWorkBells } from "./resources/work/bells.ts";
import { workPrincipal } from "./resources/work/credentials.ts";
import { createMcp } from "./tools/mcp/mcp.ts";
import { toolset } from "./tools/toolset.ts";
import { createWebTools } from "./tools/web/web.ts";
import type { Seal } from "./vault/seal.ts";
import type { McpBearers } from "./vault/secrets.ts";
import type { VaultListener } from "./vault/socket.ts";

/** What a process does: answer requests, drive sessions, or do what is to be done now and then. */
export const roles = ["api", "brain", "jobs"] as const;
export type Role = (typeof roles)[number];

export interface ServerOptions {
  roles: readonly Role[];
  database_url: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  api_key: string;
  migrations: Migration[];
  /** Where `GET /metrics` is answered; nowhere if null. Port 0 takes a free one. */
  metrics: { host: string; port: number } | null;
  /** The sandbox hosts; whoever made the connections closes them. */
  hosts: readonly HostConnection[];
  /** A host of which nothing was heard for so long is given up. */
  host_gone_ms: number;
  /** What agents' web requests may reach beside public addresses. */
  allow_private_hosts: readonly string[];
  /** Null: agents cannot search the web. */
  search: SearchSettings | null;
  sandboxes: SandboxSettings;
  /** How long a session's workspace is kept, in days from when it first had a sandbox. */
  workspace_days: number;
  files: FilesSettings;
  mcp: McpSettings;
  repositories: RepositoriesSettings;
  /** Of what the database keeps that nobody else may read. */
  seal: Seal;
  /** What MCP servers want to see, instead of what the sessions' vaults have. */
  bearers?: McpBearers;
  /** After so long without a heartbeat a worker of a self-hosted environment has lost its work. */
  work_lease_ms: number;
  /** Where egress asks for the credentials of sessions; null where it does not ask this process. Closed with the server. */
  vault: VaultListener | null;
  models: Models & Candidates;
  listing: ModelListing;
  prices: Prices;
  spending: {
    /** What an hour of a running session costs, in US dollars. */
    runtime_price: number;
    caps: Caps;
  };
  /** The web console; as it lies in the program, where it is not said. */
  console_files?: ConsoleFiles;
  /** As people may see them. */
  settings: readonly Setting[];
  logger: Logger;
  version: string;
}

export interface Server {
  url: string;
  metrics_url: string | null;
  /** Statements run so far on behalf of requests and sessions. */
  statementCount(): number;
  /** Ends streams, hands sessions over, and closes. */
  close(): Promise<void>;
}

/** Builds the parts of `drover serve` and hands them to each other. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { logger, models, prices } = options;
  const { caps, runtime_price } = options.spending;
  const started_at = new Date().toISOString();
  const db = openDatabase({ url: options.database_url });
  const { applied } = await migrate(db, options.migrations);
  if (applied.length > 0) logger.info({ migrations: applied }, "database migrated");

  otherKeys(db, options.seal.versions).then(
    ({ unknown }) => unknown !== null && logger.error(`${unknown}: they cannot be opened until it is`),
    (error) => logger.debug({ err: error }, "what is sealed under which master key could not be counted"),
  );

  const fileStore = openFileStore(options.files.store);
  await requireOwnStore(db, fileStore, (error) =>
    logger.warn({ err: error }, "the file store does not answer; uploads and downloads fail until it does"),
  );
  const blobs = createBlobs(db, fileStore);

  const { hosts: repositoryHosts, folder } = options.repositories;
  const opened = repositoryHosts.filter(({ private_network }) => private_network);
  const repositories = {
    ...createRepositories({
      hosts: repositoryHosts,
      reach: createReach({
        allow_private_hosts: [
          ...options.allow_private_hosts,
          ...opened.map(({ url }) => hostOf(new URL(url).hostname)),
        ],
      }),
      copies: openWorkingCopies(folder),
    }),
    tokenOf: tokensIn(db, options.seal),
  };
  const passes = {
    db,
    seal: options.seal,
    trouble: (message: string, error: unknown, sessionId: string) =>
      logger.error({ err: error, session_id: sessionId }, message),
  };
  options.vault?.answer({
    resolve: (asked) => resolveSecrets(passes, asked),
    note: (used) => notePassUses(passes, used),
  });
  const guard = createGuard({ allow_private_hosts: options.allow_private_hosts });
  const { search } = options;
  const web = createWebTools({
    guard,
    search,
    askModel: (request, signal) => callModel(models, request, signal),
  });
  const metrics = createMetrics({
    tools: [...[...toolset, ...web.tools].map(({ definition }) => definition.name), "mcp"],
    hosts: options.hosts,
  });
  const stop = new AbortController();
  const watches = createWatches(db);
  let member: Member | null = null;
  let brain: Brain | null = null;
  const trouble = (message: string, error: unknown, sessionId?: string) =>
    logger.warn({ err: error, session_id: sessionId }, message);
  const refreshing = createRefreshing({ db, seal: options.seal, guard, trouble });
  const bearers = options.bearers ?? createBearers({ db, seal: options.seal, refreshing, trouble });
  const mcp = createMcp({ guard, bearers, version: options.version, ...options.mcp });

  const logEvents: LogEvents = {
    from: () => member?.id() ?? 0,
    onCommitted(request, { entries, waiting }) {
      watches.committed(request.session_id, entries);
      if (waiting) brain?.wake();
    },
  };
  const log = createLog({ db, ...logEvents });

  const does = (role: Role) => options.roles.includes(role);
  const bells = createWorkBells();
  const previews = createPreviews((payload) => notifyPreview(db, member?.id() ?? 0, payload));
  const poll = () => watches.poll().catch((error) => trouble("looking for new events failed", error));
  const hands = createFleet({
    hosts: options.hosts,
    placements: metrics.counting(placementsIn(db)),
    mounts: { listMounts: (sessionId) => listMounts(db, sessionId), openContent: blobs.open },
    gone_ms: options.host_gone_ms,
    onMet: () => brain?.wake(),
    trouble,
  });
  const memberEvents: MemberEvents = {
    joined() {
      poll();
      brain?.wake();
      if (does("brain")) previews.ask();
      previews.answer();
    },
    lost(id, reason) {
      logger.warn(
        { member: id, reason },
        "cut off from the database; giving up its sessions until it is back",
      );
      brain?.abandon();
    },
    apart: (error) => trouble("the database does not take this process back; trying again", error),
    notified(heads, waiting) {
      if (heads === "everything") poll();
      else {
        for (const [sessionId, seq] of heads) {
          if (seq === null) watches.gone(sessionId);
          else watches.moved(sessionId, seq);
        }
      }
      if (waiting) brain?.wake();
    },
    previewed: previews.heard,
    workOffered: bells.ring,
  };
  member = await joinMembers(db, memberEvents, {
    hosts: () => (brain ? hands.reachable() : []),
    master_keys: options.seal.versions,
    version: options.version,
    roles: options.roles,
  });
  const polling = setInterval(poll, limits.watch_poll_ms);
  const spending: Spending = {
    costOf: prices.costOf,
    isPriced: (agent) =>
      prices.has(agent.model) &&
      (!isJudged(agent) || prices.has({ id: models.judgeOf(agent.model.id) })) &&
      (search?.provider !== "vendor" || !isSearching(agent) || prices.has({ id: search.model })),
    search_nano,
    runtime_nano_per_hour: runtime_price * nanoPerDollar,
  };
  const findCap = capsOf(db, caps, spending);
  if (does("brain"))
    brain = startBrain({
      sandboxes: options.sandboxes,
      db,
      log,
      watches,
      previews,
      member,
      hands,
      host_gone_ms: options.host_gone_ms,
      repositories,
      credentials: {
        forSandbox: (...session) => sandboxCredentials(passes, ...session),
        hidden: (sessionId) => hiddenSecrets(passes, sessionId),
      },
      web,
      mcp,
      models,
      openContent: blobs.open,
      spending,
      findCap,
      counts: metrics,
      trouble,
    });
  const works = createWorks(db, log, logEvents, options.seal);
  const outputs = { db, member, together: works.together, blobs, rules: options.files, hands, trouble };
  const takingOutputs = does("brain") ? startTakingOutputs(outputs) : null;
  const jobs = does("jobs")
    ? startJobs({
        db,
        hands,
        blobs,
        workspace_days: options.workspace_days,
        takeLastOutputs: (sessionId, placement) => takeLastOutputs(outputs, sessionId, placement),
        workLost(lost) {
          metrics.workLost();
          logger.warn(lost, "a worker was not heard of any more, and has lost its work");
        },
        workSeen: metrics.workSeen,
        trouble,
      })
    : null;

  const messagesSpent = messagesSpending(db, caps, { prices, trouble });
  const lastCall = new AbortController();
  const from = () => member.id() ?? 0;
  const sessionAgents = rememberAgents(limits.session_agents_max);
  const routes = () => [
    ...agentRoutes,
    ...environmentRoutes(options.sandboxes.maximum),
    ...environmentKeyRoutes,
    ...vaultRoutes,
    ...credentialRoutes({ seal: options.seal, allow_private_hosts: options.allow_private_hosts }),
    ...credentialValidationRoutes({ seal: options.seal, guard, refreshing, version: options.version }),
    ...workRoutes({ bells, lease_ms: options.work_lease_ms, stop: stop.signal }),
    ...sessionRoutes({
      hands,
      sandboxes: options.sandboxes,
      priced: spending.isPriced,
      seal: options.seal,
      repository_hosts: repositoryHosts.map(({ url }) => url),
      capped: Object.values(caps).some((cap) => cap !== null),
      watches,
      blobs,
      from,
      wake: () => brain?.wake(),
      settle: (fork, prefix) => settle(fork, prefix, { newId: () => newId("event"), spending }),
      async copyCheckpoint(request) {
        await cleanUnlessMade(db, request.to_session_id);
        return hands.copyCheckpoint(request);
      },
    }),
    ...pendingActionRoutes,
    ...sessionErrorRoutes,
    ...usageRoutes,
    ...consoleRoutes,
    ...systemRoutes({
      member,
      migrations: options.migrations,
      fileStore,
      hosts: options.hosts,
      settings: options.settings,
      slowStatements: db.slowStatements,
      version: options.version,
      started_at,
    }),
    ...sessionResourceRoutes({ watches, seal: options.seal, from }),
    ...fileRoutes({ blobs, rules: options.files, trouble }),
    ...skillRoutes({ blobs, trouble }),
    ...messagesRoutes({ models, spending: messagesSpent, stop: lastCall.signal }),
    ...modelRoutes(options.listing),
    ...eventRoutes({ watches, previews, sessionAgents, blobs, stop: stop.signal, trouble }),
  ];
  const keys = [{ key: options.api_key, workspaceId: defaultWorkspaceId }];
  // Without the role it still says how it is.
  const app = createApp({
    routes: does("api") ? routes() : [],
    authenticate: firstOf(apiKeys(keys), (key) => workPrincipal(db, key)),
    ...(does("api") && {
      console: {
        principalOf: (tokens) => consolePrincipal(db, tokens, isKeyOf(keys)),
        isStillSignedIn: (tokens) => isStillSignedIn(db, tokens, isKeyOf(keys)),
        attempts: createSignInAttempts(),
        files: options.console_files ?? { folder: builtConsole },
      },
    }),
    works,
    check: async () => {
      await db.query({ name: "health", text: "select 1" }, []);
      if (member.id() === null) throw new Error("cut off from the other processes of this database");
    },
    log: logger,
    version: options.version,
  });

  const scraped = options.metrics && (await listenForMetrics(metrics, options.metrics));
  const http = createHttpServer(app.fetch, logger).listen(options.port, options.host);
  await new Promise<void>((resolve, reject) => {
    http.once("listening", resolve);
    http.once("error", reject);
  });
  const { port } = http.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;

  return {
    url: `http://${host}:${port}`,
    metrics_url: scraped?.url ?? null,
    statementCount: db.statementCount,
    async close() {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      stop.abort();
      clearInterval(polling);
      scraped?.close();
      jobs?.stop();
      previews.close();
      await Promise.all([brain?.stop(), takingOutputs?.stop()]);
      hands.close();
      web.close();
      await mcp.close();
      // What a token endpoint gives is written down nowhere else: a server that stops waits for it.
      await Promise.race([refreshing.settled(), passed(limits.oauth_stop_ms)]);
      await guard.close();
      http.closeIdleConnections();
      await Promise.race([closed, passed(limits.stop_grace_ms)]);
      lastCall.abort(new ApiError("overloaded_error", "the server stops; ask again"));
      http.closeIdleConnections();
      await Promise.race([closed, passed(limits.stop_words_ms)]);
      http.closeAllConnections();
      await messagesSpent.settled();
      await options.vault?.close();
      await member.close();
      await db.close();
    },
  };
}

const passed = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
