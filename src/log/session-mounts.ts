/**
 * Steps of a statement that raise the number of what is mounted into the one session of which `step` has the locked head
 * (`session_id`, `workspace_id`, `seq`, and as `at` the time of what is written), or into none, and that tell its log. The new
 * number is the `version` of the step `remounted`. `rung` has to be read. `from`: the parameter with the number of this process.
 */
export const mountsChangedIn = (step: string, from: string) => `remounted as (
  update session s set mounts_version = s.mounts_version + 1 from ${step} c where s.id = c.session_id
  returning s.id as session_id, s.mounts_version as version
), moved as (
  update session_head h set seq = h.seq + 1, last_at = c.at, needs_reader = greatest(h.needs_reader, ${reader})
  from ${step} c where h.session_id = c.session_id
), written as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
  select c.workspace_id, c.session_id, c.seq + 1, drover_id('sevt_'), replace(c.session_id, 'sesn_', 'sthr_'), 'internal',
    'mounts_changed', json_build_object('reader', ${reader}, 'version', r.version), c.at
  from ${step} c join remounted r using (session_id)
), rung as materialized (
  select pg_notify('drover', ${from} || ' ' || session_id || ':' || seq + 1) from ${step}
)`;

/** As the entry's type says. */
const reader = 3;
