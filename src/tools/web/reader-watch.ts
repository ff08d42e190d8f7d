import { limits } from "../../limits.ts";

/** A thread beside the one that reads: ends the process that takes too much memory, or whose server has died. */
const server = process.ppid;
setInterval(() => {
  if (process.ppid === server && process.memoryUsage.rss() < limits.web_reader_memory_bytes_max) return;
  process.kill(process.pid, "SIGKILL");
}, limits.web_reader_watch_ms);
