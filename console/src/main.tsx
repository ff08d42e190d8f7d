import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { onSignedOut, Problem } from "./api/request.ts";
import { tellSignInOver } from "./api/sign-in-over.ts";
import { isUnsaved } from "./config/unsaved.ts";
import { router } from "./router.tsx";
import "./style.css";
import "./theme.ts";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // What the server has refused it refuses again.
      retry: (failures, error) =>
        !(error instanceof Problem && error.status >= 400 && error.status < 500) && failures < 3,
    },
  },
});
// Whoever is signed out, wherever that shows, is asked to sign in, and comes back to where they were. Until then nothing of
// what they have seen is there for whoever goes back. What they have changed and not saved is not taken from them: then they
// are asked on its page.
onSignedOut(() => {
  const { pathname, href } = router.state.location;
  if (pathname === "/sign-in") return;
  if (isUnsaved()) return tellSignInOver(true);
  const wasIn = queries
    .getQueryCache()
    .getAll()
    .some(({ state }) => state.data !== undefined);
  void router
    .navigate({ to: "/sign-in", search: { back: href, over: wasIn || undefined }, replace: true })
    .then(() => queries.clear());
});

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} context={{ queries }} />
      </QueryClientProvider>
    </StrictMode>,
  );
