import { Link } from "@tanstack/react-router";
import { Problem } from "../api/request.ts";
import { visible } from "../format/text.ts";
import { ProblemNotice } from "../ui/notice.tsx";
import { Page } from "./page.tsx";

const places = {
  session: "/sessions",
  agent: "/agents",
  environment: "/environments",
  vault: "/vaults",
} as const;

/** In place of a page whose subject cannot be had: why, and the way to the others. */
export function Missing({
  what,
  error,
  retry,
}: {
  what: keyof typeof places;
  error: Error;
  retry: () => void;
}) {
  const isNone = error instanceof Problem && error.status === 404;
  return (
    <Page title={isNone ? `There is no such ${what}` : `This ${what} cannot be shown`}>
      {isNone ? (
        <p className="text-muted">
          The server says: {visible(error.message)}. It may have been deleted, or its id is not whole in the
          address.
        </p>
      ) : (
        <ProblemNotice error={error} retry={retry} />
      )}
      <p className="mt-3">
        <Link to={places[what]} className="text-accent underline">
          All {what}s
        </Link>
      </p>
    </Page>
  );
}

/** At an address that leads nowhere. */
export function NoSuchPage() {
  return (
    <Page title="There is no such page">
      <p className="text-muted">Perhaps the address is not whole.</p>
      <p className="mt-3">
        <Link to="/" className="text-accent underline">
          To the first page
        </Link>
      </p>
    </Page>
  );
}
