import { useEffect, useState, useSyncExternalStore } from "react";
import { SessionLog } from "./session-log.ts";

/** The log of a session, or of one of its threads, for as long as a page shows it. */
export function useSessionLog(sessionId: string, threadId?: string): SessionLog {
  const [log, setLog] = useState(() => new SessionLog());
  useEffect(() => {
    const leave = new AbortController();
    const fresh = new SessionLog();
    setLog(fresh);
    void fresh.follow({ sessionId, threadId }, leave.signal);
    return () => leave.abort();
  }, [sessionId, threadId]);
  useSyncExternalStore(log.subscribe, log.snapshot);
  return log;
}
