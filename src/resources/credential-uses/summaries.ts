import { z } from "zod";
import type { Database, Statement } from "../../db/database.ts";
import { type CredentialUseSummary, type ListUseSummaries, useKind } from "../../protocol/credential-uses.ts";
import { decodeCursor, type Page, pageFrom, timestamp } from "../../protocol/page.ts";
import { credentialNotFound, vaultNotFound } from "../credentials/row.ts";

const list: Statement = {
  name: "credential_use_summary_list",
  text: `
select v.id as vault_id, c.id as known_id, s.* from vault v
left join credential c on c.vault_id = v.id and c.id = $3
left join lateral (
  select u.credential_id, u.session_id, se.title as session_title, u.type as kind, u.host, u.count, u.last_outcome,
    u.first_used_at, u.last_used_at
  from credential_use_summary u join session se on se.id = u.session_id
  where u.credential_id = c.id and u.workspace_id = $1
    and (u.last_used_at, u.session_id, u.type, u.host) < ($4::timestamptz, $5, $6, $7)
  order by u.last_used_at desc, u.session_id desc, u.type desc, u.host desc limit $8) s on true
where v.id = $2 and v.workspace_id = $1`,
};

const place = z.strictObject({
  at: timestamp,
  session_id: z.string().max(100),
  kind: useKind,
  host: z.string().max(1_024),
});

type SummaryRow = Omit<CredentialUseSummary, "type">;
type Found = { known_id: string | null; vault_id: string } & (SummaryRow | { credential_id: null });

/** Where a credential was used; what was used last comes first. One that is used meanwhile moves to the beginning. */
export async function listUseSummaries(
  db: Database,
  workspaceId: string,
  vaultId: string,
  credentialId: string,
  query: ListUseSummaries,
): Promise<Page<CredentialUseSummary>> {
  const scope = { list: `credential_use_summaries ${credentialId}`, order: "desc" } as const;
  const after = decodeCursor(query.page, scope, place)?.position;
  const found = await db.query<Found>(list, [
    workspaceId,
    vaultId,
    credentialId,
    after?.at ?? "infinity",
    after?.session_id ?? "",
    after?.kind ?? "",
    after?.host ?? "",
    query.limit + 1,
  ]);
  const [first] = found;
  if (!first) throw vaultNotFound(vaultId);
  if (first.known_id === null) throw credentialNotFound(credentialId);
  const rows = found.flatMap(({ known_id: _, vault_id: __, ...row }) =>
    row.credential_id === null ? [] : [row],
  );
  return pageFrom(
    rows,
    query.limit,
    scope,
    ({ last_used_at, session_id, kind, host }) => ({ at: last_used_at, session_id, kind, host }),
    (row): CredentialUseSummary => ({ type: "credential_use_summary", ...row }),
  );
}
