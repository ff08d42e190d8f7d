import type { ReactNode } from "react";
import { Problem } from "../api/request.ts";
import { visible } from "../format/text.ts";
import { Button } from "./button.tsx";
import { cx } from "./cx.ts";

const tones = {
  bad: "border-bad/30 bg-bad-soft",
  warn: "border-warn/30 bg-warn-soft",
  plain: "border-line bg-raised",
} as const;

export function Notice({
  tone = "plain",
  children,
  className,
}: {
  tone?: keyof typeof tones;
  children: ReactNode;
  className?: string;
}) {
  return (
    <div
      role={tone === "bad" ? "alert" : "status"}
      className={cx("rounded-md border px-3 py-2", tones[tone], className)}
    >
      {children}
    </div>
  );
}

/** What went wrong, and what to do about it. */
export function ProblemNotice({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = error instanceof Problem ? error : null;
  return (
    <Notice tone="bad">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="grow">
          {visible(error instanceof Error ? error.message : "Something went wrong.")}
        </span>
        {retry && <Button onClick={retry}>Try again</Button>}
      </div>
      {problem?.requestId && <div className="mt-1 font-mono text-xs text-muted">{problem.requestId}</div>}
    </Notice>
  );
}

/** What stands where nothing is yet: what it would be, and how to get there. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="mx-auto max-w-md px-4 py-16 text-center">
      <h2 className="text-base font-semibold">{title}</h2>
      <div className="mt-2 text-muted">{children}</div>
    </div>
  );
}
