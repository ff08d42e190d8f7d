import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { Notice } from "../ui/notice.tsx";
import { useTitle } from "../ui/title.ts";
import { SignInForm } from "./sign-in-form.tsx";

const route = getRouteApi("/sign-in");

export function SignInPage() {
  const { back, over } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  // The window names nothing any more of what was seen in it.
  useTitle("Sign in");

  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="w-full max-w-sm rounded-lg border border-line bg-raised p-6">
        <h1 className="text-lg font-semibold">Sign in to Drover</h1>
        {over && (
          <Notice className="mt-3">
            You are signed out: after some time, in another tab, or because your key is none any more. Signed
            in, you are back where you were.
          </Notice>
        )}
        <SignInForm
          onSignedIn={() => {
            queries.clear();
            // As the page was asked for: with its search, beneath the console. Going back from there does not lead here.
            router.history.replace(`${router.basepath}${back ?? "/"}`);
          }}
        />
      </div>
    </main>
  );
}
