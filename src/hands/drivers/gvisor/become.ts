import { copySetpriv } from "../host-setpriv.ts";
import { inside } from "../root-filesystem.ts";

/** What comes before each program, which the first process starts as another user. Fills `folder` with what that takes. */
export async function prepareBecome(folder: string): Promise<string[]> {
  return [
    ...(await copySetpriv(folder)),
    ...[`--reuid=${inside.uid}`, `--regid=${inside.gid}`, "--clear-groups"],
    ...["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"],
  ];
}
