import { readFileSync } from "node:fs";

/** Where the host hands memory dumps to a program of its own, that runs as root there whatever the limit is, this one excepted. */
export const noPipedCores = ["/usr/bin/prlimit", "--core=1:1"];
export const pipesCores = () => readFileSync("/proc/sys/kernel/core_pattern", "utf8").startsWith("|");
