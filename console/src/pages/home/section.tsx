import { type ReactNode, useId } from "react";
import { ProblemNotice } from "../../ui/notice.tsx";

/** One of the questions that the page answers. */
export function Section({
  title,
  aside,
  error,
  retry,
  children,
}: {
  title: string;
  aside?: ReactNode;
  error: unknown;
  retry: () => void;
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
      {error ? <ProblemNotice error={error} retry={retry} /> : null}
      {children}
    </section>
  );
}

export const Rows = ({ children }: { children: ReactNode }) => (
  <ul className="divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">{children}</ul>
);

/** What stands where a section has nothing. */
export const Nothing = ({ children }: { children: ReactNode }) => (
  <p className="rounded-lg border border-line border-dashed px-3 py-4 text-muted">{children}</p>
);
