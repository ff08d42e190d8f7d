/**
 * Steps of a statement that remove the files of the one session whose `session_id` its step of this name has, or of none. Its
 * workspace's storage is locked before them, as by whoever makes files.
 */
export const removeFilesOf = (step: string) => `file_room as materialized (
  select s.workspace_id from file_storage s
  where s.workspace_id in (select f.workspace_id from ${step} g join file f on f.scope_session_id = g.session_id)
  for no key update
), files as (
  delete from file f using ${step} g, file_room r
  where f.scope_session_id = g.session_id and f.workspace_id = r.workspace_id
  returning case when f.counted and f.sha256 is not null then f.size_bytes else 0 end as held
), outputs as (
  delete from output o using ${step} g where o.session_id = g.session_id
), outputs_left_out as (
  delete from output_left_out o using ${step} g where o.session_id = g.session_id
), file_room_freed as (
  update file_storage s set bytes = s.bytes - (select coalesce(sum(held), 0) from files)
  from file_room r where s.workspace_id = r.workspace_id
)`;
