import type { Session } from "../../../src/protocol/sessions.ts";
import { cx } from "./cx.ts";

const looks = {
  running: ["bg-accent", "running"],
  rescheduling: ["bg-warn", "waits to try again"],
  idle: ["bg-muted", "idle"],
  terminated: ["bg-line", "ended"],
  asking: ["bg-warn", "waits for you"],
} as const;

export const Status = ({ session: { status, waiting_for } }: { session: Session }) => (
  <StatusOf status={waiting_for?.type === "requires_action" ? "asking" : status} />
);

export function StatusOf({ status }: { status: keyof typeof looks }) {
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
