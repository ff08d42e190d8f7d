const saidPlainly: Record<string, string> = {
  ENOSPC: "the disk of the sandbox host is full",
  EDQUOT: "the disk quota of the sandbox host is used up",
  EROFS: "the disk of the sandbox host is read-only",
  EIO: "the disk of the sandbox host fails",
  EMFILE: "the sandbox host has too many files open",
  ENFILE: "the machine of the sandbox host has too many files open",
  ENOMEM: "the sandbox host is out of memory",
  EAGAIN: "the sandbox host can start no more processes",
  EACCES: "the sandbox host may not use its own data directory",
  EPERM: "the sandbox host may not use its own data directory",
  ENOTDIR: "a file lies where the sandbox host needs a folder",
  EEXIST: "a file lies where the sandbox host needs a folder",
};

/** What went wrong on the sandbox host itself: in plain words first, then as the system said it. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return `the sandbox host failed: ${error}`;
  const plain = "code" in error ? saidPlainly[String(error.code)] : undefined;
  return plain ? `${plain} (${error.message})` : `the sandbox host failed: ${error.message}`;
}
