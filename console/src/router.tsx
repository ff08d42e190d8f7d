import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import type { SessionStatus } from "../../src/protocol/sessions.ts";
import { loaded } from "./api/loaded.ts";
import type { SessionFilters } from "./api/resources.ts";
import { FailedPage } from "./pages/failed-page.tsx";
import { HomePage } from "./pages/home.tsx";
import { NoSuchPage } from "./pages/missing.tsx";
import { Shell } from "./shell.tsx";
import { groups, ranges, type UsageSearch } from "./usage/range.ts";
import { measures } from "./usage/series.ts";

const root = createRootRouteWithContext<{ queries: QueryClient }>()({});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: ({ back, over }: Record<string, unknown>): { back?: string; over?: true } => ({
    // Only to a page of this console: whoever made the link chose it.
    back: typeof back === "string" && /^\/(?![/\\])/.test(back) ? back : undefined,
    over: over === true ? true : undefined,
  }),
  component: lazyRouteComponent(() => loaded(import("./pages/sign-in.tsx")), "SignInPage"),
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
/** Also one by its name, as a person writes it. */
const statusesOf = (value: unknown): SessionStatus[] | undefined => {
  const named = [value].flat().filter(isStatus);
  return named.length > 0 ? named : undefined;
};
const isVersion = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;

const sessions = createRoute({
  getParentRoute: () => shell,
  path: "/sessions",
  validateSearch: (search: Record<string, unknown>): SessionFilters => ({
    agent_id: text(search.agent_id),
    // Of no agent it means nothing.
    agent_version:
      text(search.agent_id) && isVersion(search.agent_version) ? search.agent_version : undefined,
    statuses: statusesOf(search.statuses),
    include_archived: search.include_archived === true ? true : undefined,
    order: search.order === "asc" ? "asc" : undefined,
    created_after: time(search.created_after),
    created_before: time(search.created_before),
  }),
  component: lazyRouteComponent(() => loaded(import("./pages/sessions.tsx")), "SessionsPage"),
});

const agents = createRoute({
  getParentRoute: () => shell,
  path: "/agents",
  component: lazyRouteComponent(() => loaded(import("./pages/agents.tsx")), "AgentsPage"),
});

const newAgent = createRoute({
  getParentRoute: () => shell,
  path: "/agents/new",
  component: lazyRouteComponent(() => loaded(import("./pages/new-agent.tsx")), "NewAgentPage"),
});

const agent = createRoute({
  getParentRoute: () => shell,
  path: "/agents/$agentId",
  component: lazyRouteComponent(() => loaded(import("./pages/agent.tsx")), "AgentPage"),
});

const environments = createRoute({
  getParentRoute: () => shell,
  path: "/environments",
  component: lazyRouteComponent(() => loaded(import("./pages/environments.tsx")), "EnvironmentsPage"),
});

const newEnvironment = createRoute({
  getParentRoute: () => shell,
  path: "/environments/new",
  component: lazyRouteComponent(() => loaded(import("./pages/new-environment.tsx")), "NewEnvironmentPage"),
});

const environment = createRoute({
  getParentRoute: () => shell,
  path: "/environments/$environmentId",
  component: lazyRouteComponent(() => loaded(import("./pages/environment.tsx")), "EnvironmentPage"),
});

const vaults = createRoute({
  getParentRoute: () => shell,
  path: "/vaults",
  component: lazyRouteComponent(() => loaded(import("./pages/vaults.tsx")), "VaultsPage"),
});

const vault = createRoute({
  getParentRoute: () => shell,
  path: "/vaults/$vaultId",
  component: lazyRouteComponent(() => loaded(import("./pages/vault.tsx")), "VaultPage"),
});

const files = createRoute({
  getParentRoute: () => shell,
  path: "/files",
  component: lazyRouteComponent(() => loaded(import("./pages/files.tsx")), "FilesPage"),
});

const skills = createRoute({
  getParentRoute: () => shell,
  path: "/skills",
  validateSearch: ({ skill }: Record<string, unknown>): { skill?: string } => ({ skill: text(skill) }),
  component: lazyRouteComponent(() => loaded(import("./pages/skills.tsx")), "SkillsPage"),
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
  component: lazyRouteComponent(() => loaded(import("./pages/usage.tsx")), "UsagePage"),
});

const system = createRoute({
  getParentRoute: () => shell,
  path: "/system",
  component: lazyRouteComponent(() => loaded(import("./pages/system.tsx")), "SystemPage"),
});

const newSession = createRoute({
  getParentRoute: () => shell,
  path: "/sessions/new",
  validateSearch: ({ agent: id }: Record<string, unknown>): { agent?: string } => ({ agent: text(id) }),
  component: lazyRouteComponent(() => loaded(import("./pages/new-session.tsx")), "NewSessionPage"),
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
  component: lazyRouteComponent(() => loaded(import("./pages/session.tsx")), "SessionPage"),
});

const nowhere = createRoute({ getParentRoute: () => shell, path: "$", component: NoSuchPage });

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
      nowhere,
    ]),
  ]),
  basepath: "/console",
  defaultPreload: "intent",
  // Whoever comes back to a long list comes back to where they were in it.
  scrollRestoration: true,
  defaultErrorComponent: FailedPage,
  context: { queries: undefined as unknown as QueryClient },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
