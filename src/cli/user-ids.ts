import { InvalidArgumentError } from "commander";

export interface UserIds {
  uid: number;
  gid: number;
}

/** An option's value `uid:gid`, of anybody but root. */
export function userIds(text: string): UserIds {
  const match = /^([1-9]\d{0,9}):([1-9]\d{0,9})$/.exec(text);
  if (!match) throw new InvalidArgumentError("It must be uid:gid, both greater than 0.");
  return { uid: Number(match[1]), gid: Number(match[2]) };
}
