import type { Statement } from "../../db/database.ts";
import type { Used } from "../../net/vault-wire.ts";
import { idPrefix } from "../../protocol/ids.ts";
import { noteUses } from "../credential-uses/note.ts";
import { openPass, type PassParts } from "./pass.ts";
import { isSamePass } from "./same-pass.ts";

const find: Statement = {
  name: "session_pass_used",
  text: "select workspace_id, secret from session_pass where session_id = $1",
};

/** Writes down what egress says was used for the programs of a session: of whoever has its pass, be it over or not. */
export async function notePassUses(
  { db, seal }: Pick<PassParts, "db" | "seal">,
  { session_id, pass, tell, uses }: Used,
): Promise<void> {
  const [found] = await db.query<{ workspace_id: string; secret: string }>(find, [session_id]);
  if (!found) return;
  const { workspace_id } = found;
  if (!isSamePass((await openPass(seal, workspace_id, session_id, found.secret)).pass, pass)) return;
  const kindOf = (id: string) => (id.startsWith(idPrefix.resource) ? "repository" : "environment_variable");
  await noteUses(
    db,
    workspace_id,
    session_id,
    uses.map((use) => ({ ...use, kind: kindOf(use.id) })),
    tell,
  );
}
