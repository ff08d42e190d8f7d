import { execFileSync } from "node:child_process";

export interface SystemUser {
  name: string;
  uid: number;
  gid: number;
}

/** A system user of Drover's own, made when it is missing. */
export function systemUser(name: string): SystemUser {
  const existing = lookUp(name);
  if (existing) return existing;
  try {
    execFileSync(
      "useradd",
      [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
        name,
      ],
      { stdio: "pipe" },
    );
  } catch (error) {
    throw new Error(`the system user ${name} is missing and useradd could not make it; create it by hand`, {
      cause: error,
    });
  }
  const made = lookUp(name);
  if (!made) throw new Error(`the system user ${name} could not be made`);
  return made;
}

function lookUp(name: string): SystemUser | null {
  try {
    const id = (flag: string) =>
      Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: "pipe" }));
    return { name, uid: id("-u"), gid: id("-g") };
  } catch {
    return null;
  }
}
