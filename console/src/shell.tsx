import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { PendingAction } from "../../src/protocol/pending-actions.ts";
import { send } from "./api/request.ts";
import { listOptions } from "./api/resources.ts";
import { forgetDrafts } from "./session/draft.ts";
import { chooseTheme, type Theme, theme } from "./theme.ts";
import { cx } from "./ui/cx.ts";

const places = [
  ["/", "Home"],
  ["/sessions", "Sessions"],
  ["/agents", "Agents"],
  ["/environments", "Environments"],
  ["/vaults", "Vaults"],
  ["/files", "Files"],
  ["/skills", "Skills"],
  ["/usage", "Usage"],
  ["/system", "System"],
] as const;

/** What surrounds every page: where one can go. A narrow window shows it when it is asked to. */
export function Shell() {
  const [isOpen, setOpen] = useState(false);
  const path = useLocation({ select: ({ pathname }) => pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever has gone somewhere sees that, and not the menu
  useEffect(() => setOpen(false), [path]);
  return (
    <div className="flex min-h-dvh flex-col md:flex-row">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:m-2 focus:rounded focus:bg-raised focus:p-2"
      >
        Skip to the content
      </a>
      <header className="border-line border-b bg-raised px-3 py-2 md:sticky md:top-0 md:flex md:h-dvh md:w-48 md:shrink-0 md:flex-col md:border-r md:border-b-0 md:p-3">
        <div className="flex items-center justify-between md:mb-3">
          <Link to="/" className="text-base font-semibold tracking-tight md:px-2">
            Drover
          </Link>
          <button
            type="button"
            className={cx(quiet, "md:hidden")}
            aria-expanded={isOpen}
            aria-controls="menu"
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? "Close" : "Menu"}
          </button>
        </div>
        <div id="menu" className={cx("grow flex-col gap-1 md:flex", isOpen ? "flex pt-2" : "hidden")}>
          <nav aria-label="Main" className="flex flex-col gap-1">
            {places.map(([to, name]) => (
              <Link
                key={to}
                to={to}
                activeOptions={{ exact: to === "/", includeSearch: false }}
                className="flex items-center justify-between rounded-md px-2 py-1.5 text-muted hover:bg-sunken hover:text-ink"
                activeProps={{ className: "bg-accent-soft !text-ink font-medium" }}
              >
                {name}
                {to === "/" && <Waiting />}
              </Link>
            ))}
          </nav>
          <div className="hidden grow md:block" />
          <ThemeChoice />
          <SignOut />
        </div>
      </header>
      <main id="main" className="min-w-0 grow" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

/** How much waits for a person, on whatever page they are. */
function Waiting() {
  const list = useInfiniteQuery({
    ...listOptions<PendingAction>("/v1/pending_actions"),
    refetchInterval: 10_000,
  });
  if (!list.data?.length) return null;
  return (
    <span className="rounded-full bg-warn-soft px-1.5 text-warn text-xs tabular-nums">
      {list.data.length}
      {list.hasNextPage && "+"}
      <span className="sr-only"> wait for you</span>
    </span>
  );
}

const nextTheme: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const quiet = "rounded-md px-2 py-1.5 text-left text-muted hover:bg-sunken hover:text-ink whitespace-nowrap";

function ThemeChoice() {
  const [chosen, setChosen] = useState(theme);
  return (
    <button
      type="button"
      className={quiet}
      onClick={() => {
        const next = nextTheme[chosen];
        chooseTheme(next);
        setChosen(next);
      }}
    >
      Theme: {chosen}
    </button>
  );
}

function SignOut() {
  const navigate = useNavigate();
  const queries = useQueryClient();
  return (
    <button
      type="button"
      className={quiet}
      onClick={async () => {
        await send("/console/session", { method: "DELETE" });
        forgetDrafts();
        queries.clear();
        await navigate({ to: "/sign-in" });
      }}
    >
      Sign out
    </button>
  );
}
