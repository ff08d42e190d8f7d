import { useQueryClient } from "@tanstack/react-query";
import { SignInForm } from "./sign-in-form.tsx";

/** Over a page that has what is not saved. */
export function SignInAgain() {
  const queries = useQueryClient();
  return (
    <>
      <p>What you have changed here is still there, and not saved yet. Sign in to go on with it.</p>
      <SignInForm onSignedIn={() => void queries.invalidateQueries()} />
    </>
  );
}
