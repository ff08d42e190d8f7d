import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate, useRouter } from "@tanstack/react-router";
import { type KeyboardEvent, lazy, Suspense, useEffect, useRef, useState } from "react";
import type { PendingAction } from "../../src/protocol/pending-actions.ts";
import { isAway, Problem, send } from "./api/request.ts";
import { listOptions } from "./api/resources.ts";
import { tellSignInOver, useSignInOver } from "./api/sign-in-over.ts";
import { isUnsaved } from "./config/unsaved.ts";
import { visible } from "./format/text.ts";
import { forgetDrafts } from "./session/draft.ts";
import { chooseTheme, type Theme, theme } from "./theme.ts";
import { Button } from "./ui/button.tsx";
import { cx } from "./ui/cx.ts";
import { Dialog } from "./ui/dialog.tsx";
import { content } from "./ui/focus.ts";
import { Notice } from "./ui/notice.tsx";

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
  const router = useRouter();
  // What led to another page may have gone with the one before, or with the menu: by keyboard one goes on in what has come.
  useEffect(
    () =>
      router.subscribe("onRendered", ({ fromLocation, pathChanged }) => {
        if (fromLocation && pathChanged && document.activeElement === document.body)
          content()?.focus({ preventScroll: true });
      }),
    [router],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu may have been shut over where one was
  useEffect(() => {
    if (document.activeElement?.checkVisibility() === false) content()?.focus({ preventScroll: true });
  }, [isOpen]);
  const opener = useRef<HTMLButtonElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !isOpen) return;
    setOpen(false);
    opener.current?.focus();
  };
  return (
    <div className="flex min-h-dvh flex-col md:flex-row">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:m-2 focus:rounded focus:bg-raised focus:p-2"
      >
        Skip to the content
      </a>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: Escape closes the menu, wherever in it one is */}
      <header
        onKeyDown={onKeyDown}
        className="border-line border-b bg-raised px-3 py-2 md:sticky md:top-0 md:flex md:h-dvh md:w-48 md:shrink-0 md:flex-col md:border-r md:border-b-0 md:p-3"
      >
        <div className="flex items-center justify-between md:mb-3">
          <Link to="/" className="text-base font-semibold tracking-tight md:px-2">
            Drover
          </Link>
          <button
            ref={opener}
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
      <main id="main" className="min-w-0 grow focus-visible:outline-none" tabIndex={-1}>
        <Away />
        <Outlet />
      </main>
      <SignInOver />
    </div>
  );
}

/** What waits is looked at on every page, and so tells on every page whether anything can be had. */
const useWaiting = () =>
  useInfiniteQuery({ ...listOptions<PendingAction>("/v1/pending_actions"), refetchInterval: 10_000 });

/** A page keeps what it shows while nothing can be had. One of a session says so itself. */
function Away() {
  const { failureReason, fetchStatus, refetch } = useWaiting();
  const path = useLocation({ select: ({ pathname }) => pathname });
  const offline = fetchStatus === "paused";
  if (!(offline || isAway(failureReason)) || /^\/sessions\/(?!new$)./.test(path)) return null;
  return (
    <div className="mx-auto max-w-6xl px-4 pt-4 md:px-6">
      <Notice tone="warn">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <span className="grow">
            {offline ? "This browser is offline." : reasonOf(failureReason)} What stands here is from before;
            it is asked for again by itself.
          </span>
          {!offline && <Button onClick={() => refetch()}>Try now</Button>}
        </div>
      </Notice>
    </div>
  );
}

const reasonOf = (reason: unknown) =>
  reason instanceof Problem && reason.status !== 0
    ? `The server answers: ${visible(reason.message)}.`
    : "The server cannot be reached.";

const SignInAgain = lazy(() =>
  import("./pages/sign-in-again.tsx").then((page) => ({ default: page.SignInAgain })),
);

function SignInOver() {
  const over = useSignInOver();
  const navigate = useNavigate();
  const queries = useQueryClient();
  return (
    <Dialog open={over} onClose={() => tellSignInOver(false)} title="You are signed out">
      <Suspense fallback={<p className="text-muted">Loading…</p>}>
        <SignInAgain />
      </Suspense>
      <Button
        look="quiet"
        className="mt-2 w-full"
        onClick={async () => {
          tellSignInOver(false);
          await navigate({ to: "/sign-in", ignoreBlocker: true });
          queries.clear();
        }}
      >
        Leave, and lose what is not saved
      </Button>
    </Dialog>
  );
}

/** How much waits for a person, on whatever page they are. */
function Waiting() {
  const list = useWaiting();
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
  const [asks, setAsks] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  async function signOut() {
    setAsks(false);
    setBusy(true);
    setError(null);
    try {
      await send("/console/session", { method: "DELETE" });
    } catch (problem) {
      // Whoever was signed out already is where they wanted to be.
      if (!(problem instanceof Problem && problem.status === 401)) {
        setError(problem);
        return setBusy(false);
      }
    }
    tellSignInOver(false);
    forgetDrafts();
    await navigate({ to: "/sign-in", ignoreBlocker: true });
    queries.clear();
  }

  return (
    <>
      <button
        type="button"
        className={quiet}
        aria-disabled={busy}
        onClick={() => (isUnsaved() ? setAsks(true) : !busy && void signOut())}
      >
        {busy ? "Signing out…" : "Sign out"}
      </button>
      {error !== null && (
        <Notice tone="bad" className="mt-1">
          You are still signed in. {visible(error instanceof Error ? error.message : String(error))} Try
          again.
        </Notice>
      )}
      <Dialog open={asks} onClose={() => setAsks(false)} title="Sign out without saving?">
        <p>What you have changed here is not saved, and would be lost.</p>
        <div className="mt-4 flex gap-2">
          <Button look="primary" onClick={() => setAsks(false)}>
            Stay
          </Button>
          <Button look="danger" onClick={() => void signOut()}>
            Sign out, and lose it
          </Button>
        </div>
      </Dialog>
    </>
  );
}
