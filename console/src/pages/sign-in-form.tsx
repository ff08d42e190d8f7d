import { type FormEvent, useId, useState } from "react";
import { send } from "../api/request.ts";
import { tellSignInOver } from "../api/sign-in-over.ts";
import { Button } from "../ui/button.tsx";
import { ProblemNotice } from "../ui/notice.tsx";

/** An API key is exchanged for a cookie that no script can read; it is not kept here. */
export function SignInForm({ onSignedIn }: { onSignedIn: () => void }) {
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const id = useId();

  async function signIn(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await send("/console/session", { method: "POST", headers: { "x-api-key": key.trim() } });
      tellSignInOver(false);
      onSignedIn();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <form onSubmit={signIn}>
      <label htmlFor={id} className="mt-4 block font-medium">
        API key
      </label>
      <input
        id={id}
        type="password"
        autoComplete="current-password"
        required
        value={key}
        onChange={(event) => setKey(event.target.value)}
        className="mt-1 w-full rounded-md border border-line bg-page px-3 py-2 font-mono"
        aria-describedby={`${id}-where`}
      />
      <p id={`${id}-where`} className="mt-2 text-muted">
        The server that <code className="font-mono">npm start</code> has set up on this machine keeps its key
        in the file <code className="font-mono">api-key</code> of its data folder.
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
  );
}
