import type { Session } from "../../../src/protocol/sessions.ts";
import { cx } from "./cx.ts";

const looks = {
  running: ["bg-accent", "running"],
  rescheduling: ["bg-warn", "waits to try again"],
  idle: ["bg-muted", "idle"],
  terminated: ["bg-line", "ended"],
} as const;

export function Status({ status }: { status: Session["status"] }) {
  const [color, label] = looks[status];
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap text-muted">
      <span
        aria-hidden="true"
        className={cx("size-2 rounded-full", color, status === "running" && "animate-pulse")}
      />
      {label}
    </span>
  );
}
