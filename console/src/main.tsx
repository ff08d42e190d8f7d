import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { onSignedOut, Problem } from "./api/request.ts";
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
// what they have seen is there for whoever goes back.
onSignedOut(() => {
  const { pathname, href } = router.state.location;
  if (pathname === "/sign-in") return;
  void router.navigate({ to: "/sign-in", search: { back: href } }).then(() => queries.clear());
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
