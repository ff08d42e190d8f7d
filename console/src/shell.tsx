import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { send } from "./api/request.ts";
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

/** What surrounds every page: where one can go. */
export function Shell() {
  return (
    <div className="flex min-h-dvh flex-col md:flex-row">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:m-2 focus:rounded focus:bg-raised focus:p-2"
      >
        Skip to the content
      </a>
      <header className="flex items-center gap-1 border-line border-b bg-raised px-3 py-2 md:sticky md:top-0 md:h-dvh md:w-48 md:flex-col md:items-stretch md:border-r md:border-b-0 md:p-3">
        <Link to="/" className="mr-2 text-base font-semibold tracking-tight md:mb-3 md:px-2">
          Drover
        </Link>
        <nav aria-label="Main" className="flex min-w-0 grow gap-1 overflow-x-auto md:flex-col md:grow-0">
          {places.map(([to, name]) => (
            <Link
              key={to}
              to={to}
              activeOptions={{ exact: to === "/" }}
              className="rounded-md px-2 py-1.5 whitespace-nowrap text-muted hover:bg-sunken hover:text-ink"
              activeProps={{ className: "bg-accent-soft !text-ink font-medium" }}
            >
              {name}
            </Link>
          ))}
        </nav>
        <div className="hidden grow md:block" />
        <ThemeChoice />
        <SignOut />
      </header>
      <main id="main" className="min-w-0 grow" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

const nextTheme: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const quiet = "rounded-md px-2 py-1.5 text-left text-muted hover:bg-sunken hover:text-ink whitespace-nowrap";

function ThemeChoice() {
  const [chosen, setChosen] = useState(theme);
  return (
    <button
      type="button"
      className={cx(quiet, "hidden md:block")}
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
        queries.clear();
        await navigate({ to: "/sign-in" });
      }}
    >
      Sign out
    </button>
  );
}
