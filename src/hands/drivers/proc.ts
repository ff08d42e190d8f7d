import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * What of /proc tells of the machine or steers it, and of no process: the kernel gives much of it to its own root alone,
 * which a sandbox is not; here it is empty whoever reads it. What programs ask of the machine (its processors, memory,
 * load and settings) is not among it.
 */
export const masked: readonly string[] = [
  "acpi",
  "asound",
  "bus",
  "cmdline",
  "config.gz",
  "device-tree",
  "diskstats",
  "driver",
  "dynamic_debug",
  "fs",
  "interrupts",
  "iomem",
  "ioports",
  "irq",
  "kallsyms",
  "kcore",
  "key-users",
  "keys",
  "kmsg",
  "kpagecgroup",
  "kpagecount",
  "kpageflags",
  "latency_stats",
  "modules",
  "mtrr",
  "pagetypeinfo",
  "partitions",
  "pressure",
  "sched_debug",
  "scsi",
  "slabinfo",
  "sysrq-trigger",
  "timer_list",
  "timer_stats",
  "tty",
  "vmallocinfo",
];

/** Arguments of bwrap for a /proc of its own. `folder` holds what is shown in place of the masked. */
export function ownProc(folder: string): string[] {
  const none = { file: join(folder, "empty-file"), folder: join(folder, "empty-folder") };
  mkdirSync(none.folder, { recursive: true, mode: 0o755 });
  writeFileSync(none.file, "", { mode: 0o644 });
  return [
    ...["--proc", "/proc"],
    ...masked
      .map((name) => `/proc/${name}`)
      .filter((path) => existsSync(path))
      .flatMap((path) => ["--ro-bind", statSync(path).isDirectory() ? none.folder : none.file, path]),
    // Read-only whoever the sandbox is, and without what lists the host's own formats of programs.
    ...["--ro-bind", "/proc/sys", "/proc/sys"],
    ...(existsSync("/proc/sys/fs/binfmt_misc") ? ["--ro-bind", none.folder, "/proc/sys/fs/binfmt_misc"] : []),
  ];
}
