import type { ClientBase } from "pg";

/**
 * What makes a copy of the log one of its own: cursors of streams that were made after the copy was are told apart. The
 * journals of `hands` may have seen later epochs than the copy knows, for they are copied after it; no claim comes in the
 * meantime as often as that. Hosts may have mounted what the copy has not heard of, and take no older list for a newer one.
 */
export const statements = [
  "update log set incarnation = substr(replace(gen_random_uuid()::text, '-', ''), 1, 12)",
  "delete from process",
  // Whoever has signed out since the copy was made stays signed out: everybody signs in anew.
  "delete from console_session",
  `update session_head set lease_epoch = lease_epoch + 1000000,
    runnable_at = case when lease_owner is null then runnable_at else coalesce(runnable_at, drover_now()) end,
    lease_owner = null`,
  "update session set mounts_version = mounts_version + 1000000",
];

export async function beginNewIncarnation(client: ClientBase): Promise<void> {
  await client.query("begin");
  for (const statement of statements) await client.query(statement);
  await client.query("commit");
}
