import type { Database, Statement } from "../db/database.ts";
import { failpoint } from "../failpoints.ts";
import type { AbandonedSandbox, Placement, PlacementLease, Placements } from "../hands/placement.ts";

// The head is locked: a lease that ends while this runs ends after it, so that the next claim sees what it wrote.
const held = `
with held as (
  select session_id, seq from session_head where session_id = $1 and lease_owner = $2 and lease_epoch = $3
  for no key update
)`;

// Other brains are to leave the session to those that reach the host, from now on.
const met = (host_id: string) => `
met as (
  insert into sandbox_host (host_id, reached_at) select ${host_id}, drover_now() from held on conflict do nothing
)`;

const placeStatement: Statement = {
  name: "place",
  text: `${held}, ${met("$4")}
insert into placement as p (session_id, host_id, generation, moved_seq, placed_at)
select session_id, $4, 0, 0, drover_now() from held
on conflict (session_id) do update set host_id = p.host_id
returning host_id, generation, moved_seq`,
};

const moveStatement: Statement = {
  name: "place_elsewhere",
  text: `${held}, ${met("$5")}, moved as (
  update placement p set host_id = $5, generation = p.generation + 1, moved_seq = held.seq, placed_at = drover_now()
  from held where p.session_id = held.session_id and p.generation = $4
  returning p.session_id, p.host_id, p.generation, p.moved_seq
), abandoned as (
  insert into abandoned_sandbox (session_id, generation, host_id, epoch, abandoned_at)
  select p.session_id, p.generation, p.host_id, $3, drover_now() from placement p join moved using (session_id)
)
select host_id, generation, moved_seq from moved`,
};

const abandonedStatement: Statement = {
  name: "abandoned_on",
  text: `select a.session_id, a.generation, greatest(a.epoch, h.lease_epoch) as epoch,
      coalesce(h.status <> 'terminated', false) as keep_checkpoints
    from abandoned_sandbox a left join session_head h using (session_id)
    where a.host_id = $1 order by a.abandoned_at limit $2`,
};

const freedStatement: Statement = {
  name: "abandoned_freed",
  text: "delete from abandoned_sandbox where session_id = $1 and generation = $2",
};

/** Which host has a session's sandbox: written by the brain that holds the session, and by nobody else. */
export function placementsIn(db: Database): Placements {
  return {
    async place(lease, host_id) {
      failpoint("place_asked");
      const [row] = await db.query<Placement>(placeStatement, [...leaseOf(lease), host_id]);
      failpoint("place_done");
      return row ?? null;
    },
    async move(lease, { generation }, host_id) {
      failpoint("move_asked");
      const [row] = await db.query<Placement>(moveStatement, [...leaseOf(lease), generation, host_id]);
      failpoint("move_done");
      return row ?? null;
    },
    abandonedOn: (host_id, count) => db.query<AbandonedSandbox>(abandonedStatement, [host_id, count]),
    async freed({ session_id, generation }) {
      await db.query(freedStatement, [session_id, generation]);
    },
  };
}

const leaseOf = ({ session_id, owner, epoch }: PlacementLease) => [session_id, owner, epoch];
