import { useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { isAway } from "../api/request.ts";
import { ProblemNotice } from "../ui/notice.tsx";

const lookMs = 5_000;

/** In the place of a page that could not be shown. Where that is because nobody answers, it is tried again by itself. */
export function FailedPage({ error }: { error: unknown }) {
  const router = useRouter();
  const away = isAway(error);
  useEffect(() => {
    if (!away) return;
    const timer = setInterval(() => void router.invalidate(), lookMs);
    return () => clearInterval(timer);
  }, [away, router]);
  return (
    <div className="p-4">
      <ProblemNotice error={error} retry={() => void router.invalidate()} />
    </div>
  );
}
