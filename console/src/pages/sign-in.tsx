import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { send } from "../api/request.ts";
import { Button } from "../ui/button.tsx";
import { ProblemNotice } from "../ui/notice.tsx";

const route = getRouteApi("/sign-in");

/** An API key is exchanged for a cookie that no script can read; it is not kept here. */
export function SignInPage() {
  const { back } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  async function signIn(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await send("/console/session", { method: "POST", headers: { "x-api-key": key.trim() } });
      queries.clear();
      // As the page was asked for: with its search, beneath the console.
      router.history.push(`${router.basepath}${back ?? "/"}`);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <form onSubmit={signIn} className="w-full max-w-sm rounded-lg border border-line bg-raised p-6">
        <h1 className="text-lg font-semibold">Sign in to Drover</h1>
        <label htmlFor="key" className="mt-4 block font-medium">
          API key
        </label>
        <input
          id="key"
          type="password"
          autoComplete="current-password"
          required
          value={key}
          onChange={(event) => setKey(event.target.value)}
          className="mt-1 w-full rounded-md border border-line bg-page px-3 py-2 font-mono"
          aria-describedby="where"
        />
        <p id="where" className="mt-2 text-muted">
          The server that <code className="font-mono">npm start</code> has set up on this machine keeps its
          key in the file <code className="font-mono">api-key</code> of its data folder.
        </p>
        {error !== null && (
          <div className="mt-3">
            <ProblemNotice error={error} />
          </div>
        )}
        <Button type="submit" look="primary" busy={busy} className="mt-4 w-full">
          {busy ? "Signing in…" : "Sign in"}
        </Button>
      </form>
    </main>
  );
}
