import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import type { SessionStatus } from "../../src/protocol/sessions.ts";
import type { SessionFilters } from "./api/resources.ts";
import { HomePage } from "./pages/home.tsx";
import { Shell } from "./shell.tsx";
import { Empty, ProblemNotice } from "./ui/notice.tsx";
import { groups, ranges, type UsageSearch } from "./usage/range.ts";
import { measures } from "./usage/series.ts";

const root = createRootRouteWithContext<{ queries: QueryClient }>()({});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: ({ back }: Record<string, unknown>): { back?: string } =>
    // Only to a page of this console: whoever made the link chose it.
    typeof back === "string" && /^\/(?![/\\])/.test(back) ? { back } : {},
  component: lazyRouteComponent(() => import("./pages/sign-in.tsx"), "SignInPage"),
});

const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });

const home = createRoute({
  getParentRoute: () => shell,
  path: "/",
  validateSearch: ({ errors }: Record<string, unknown>): { errors?: "all" } =>
    errors === "all" ? { errors } : {},
  component: HomePage,
});

const statuses: readonly string[] = [
  "rescheduling",
  "running",
  "idle",
  "terminated",
] satisfies SessionStatus[];
const isStatus = (value: unknown): value is SessionStatus =>
  typeof value === "string" && statuses.includes(value);
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
const time = (value: unknown) =>
  typeof value === "string" && !Number.isNaN(Date.parse(value)) ? new Date(value).toISOString() : undefined;
const isVersion = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;

const sessions = createRoute({
  getParentRoute: () => shell,
  path: "/sessions",
  validateSearch: (search: Record<string, unknown>): SessionFilters => ({
    agent_id: text(search.agent_id),
    agent_version: isVersion(search.agent_version) ? search.agent_version : undefined,
    statuses: Array.isArray(search.statuses) ? search.statuses.filter(isStatus) : undefined,
    include_archived: search.include_archived === true ? true : undefined,
    order: search.order === "asc" ? "asc" : undefined,
    created_after: time(search.created_after),
    created_before: time(search.created_before),
  }),
  component: lazyRouteComponent(() => import("./pages/sessions.tsx"), "SessionsPage"),
});

const agents = createRoute({
  getParentRoute: () => shell,
  path: "/agents",
  component: lazyRouteComponent(() => import("./pages/agents.tsx"), "AgentsPage"),
});

const newAgent = createRoute({
  getParentRoute: () => shell,
  path: "/agents/new",
  component: lazyRouteComponent(() => import("./pages/new-agent.tsx"), "NewAgentPage"),
});

const agent = createRoute({
  getParentRoute: () => shell,
  path: "/agents/$agentId",
  component: lazyRouteComponent(() => import("./pages/agent.tsx"), "AgentPage"),
});

const environments = createRoute({
  getParentRoute: () => shell,
  path: "/environments",
  component: lazyRouteComponent(() => import("./pages/environments.tsx"), "EnvironmentsPage"),
});

const newEnvironment = createRoute({
  getParentRoute: () => shell,
  path: "/environments/new",
  component: lazyRouteComponent(() => import("./pages/new-environment.tsx"), "NewEnvironmentPage"),
});

const environment = createRoute({
  getParentRoute: () => shell,
  path: "/environments/$environmentId",
  component: lazyRouteComponent(() => import("./pages/environment.tsx"), "EnvironmentPage"),
});

const vaults = createRoute({
  getParentRoute: () => shell,
  path: "/vaults",
  component: lazyRouteComponent(() => import("./pages/vaults.tsx"), "VaultsPage"),
});

const vault = createRoute({
  getParentRoute: () => shell,
  path: "/vaults/$vaultId",
  component: lazyRouteComponent(() => import("./pages/vault.tsx"), "VaultPage"),
});

const files = createRoute({
  getParentRoute: () => shell,
  path: "/files",
  component: lazyRouteComponent(() => import("./pages/files.tsx"), "FilesPage"),
});

const skills = createRoute({
  getParentRoute: () => shell,
  path: "/skills",
  component: lazyRouteComponent(() => import("./pages/skills.tsx"), "SkillsPage"),
});

const oneOf = <Name extends string>(
  names: Readonly<Record<Name, unknown>>,
  value: unknown,
): Name | undefined =>
  typeof value === "string" && Object.hasOwn(names, value) ? (value as Name) : undefined;

const usage = createRoute({
  getParentRoute: () => shell,
  path: "/usage",
  validateSearch: ({ range, group, measure, until }: Record<string, unknown>): UsageSearch => ({
    range: oneOf(ranges, range),
    group: oneOf(groups, group),
    measure: oneOf(measures, measure),
    until: time(until),
  }),
  component: lazyRouteComponent(() => import("./pages/usage.tsx"), "UsagePage"),
});

const system = createRoute({
  getParentRoute: () => shell,
  path: "/system",
  component: lazyRouteComponent(() => import("./pages/system.tsx"), "SystemPage"),
});

const newSession = createRoute({
  getParentRoute: () => shell,
  path: "/sessions/new",
  validateSearch: ({ agent: id }: Record<string, unknown>): { agent?: string } => ({ agent: text(id) }),
  component: lazyRouteComponent(() => import("./pages/new-session.tsx"), "NewSessionPage"),
});

export const sessionTabs = ["transcript", "timeline", "events", "threads", "files", "details"] as const;
export type SessionTab = (typeof sessionTabs)[number];

const session = createRoute({
  getParentRoute: () => shell,
  path: "/sessions/$sessionId",
  validateSearch: ({
    tab,
    event,
    thread,
  }: Record<string, unknown>): { tab?: SessionTab; event?: string; thread?: string } => ({
    tab: sessionTabs.find((name) => name === tab),
    event: text(event),
    thread: text(thread),
  }),
  component: lazyRouteComponent(() => import("./pages/session.tsx"), "SessionPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    shell.addChildren([
      home,
      sessions,
      newSession,
      session,
      agents,
      newAgent,
      agent,
      environments,
      newEnvironment,
      environment,
      vaults,
      vault,
      files,
      skills,
      usage,
      system,
    ]),
  ]),
  basepath: "/console",
  defaultPreload: "intent",
  // Whoever comes back to a long list comes back to where they were in it.
  scrollRestoration: true,
  defaultErrorComponent: ({ error, reset }) => (
    <div className="p-4">
      <ProblemNotice error={error} retry={reset} />
    </div>
  ),
  defaultNotFoundComponent: () => (
    <Empty title="There is no such page">Look at the address, or start at the top.</Empty>
  ),
  context: { queries: undefined as unknown as QueryClient },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
