import { type ReactNode, useId } from "react";
import { isAway } from "../../api/request.ts";
import { ProblemNotice } from "../../ui/notice.tsx";

/** One of the questions that the page answers, as far as `list` does. */
export function Section({
  title,
  aside,
  list: { data, error, isPending, refetch },
  children,
}: {
  title: string;
  aside?: ReactNode;
  list: { data: unknown; error: unknown; isPending: boolean; refetch: () => unknown };
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <div className="mb-2 flex flex-wrap items-center gap-x-3 gap-y-1">
        <h2 id={id} className="grow font-semibold">
          {title}
        </h2>
        {aside}
      </div>
      {error && !isToldAbove(error, data) ? <ProblemNotice error={error} retry={() => refetch()} /> : null}
      {isPending && <p className="px-3 py-4 text-muted">Loading…</p>}
      {children}
    </section>
  );
}

/** That nothing can be had stands above the page, once for all of it. */
const isToldAbove = (error: unknown, data: unknown) => data !== undefined && isAway(error);

export const Rows = ({ children }: { children: ReactNode }) => (
  <ul className="divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">{children}</ul>
);

/** What stands where a section has nothing. */
export const Nothing = ({ children }: { children: ReactNode }) => (
  <p className="rounded-lg border border-line border-dashed px-3 py-4 text-muted">{children}</p>
);
