-- The clock of everything. Tests move it with: set drover.now = '...'.
create function drover_now() returns timestamptz language sql stable as $$
  select coalesce(nullif(current_setting('drover.now', true), '')::timestamptz, clock_timestamp())
$$;

-- As `newId` makes them, for rows of which a statement alone knows how many there will be.
create function drover_id(prefix text) returns text language sql volatile as $$
  select prefix || '01' || string_agg(
    substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 1 + get_byte(bytes, i) % 62, 1), '')
  from (select uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) as bytes offset 0) random,
    -- Without the two bytes of a UUID that are not all random.
    unnest(array[0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 25]) as i
$$;

-- A log's incarnation goes into stream cursors: one made by another database, or before a restore, is told apart.
create table log (
  only_row boolean primary key default true check (only_row),
  incarnation text not null,
  -- What the bodies of keyed requests are hashed with.
  hmac_key text not null default gen_random_uuid()::text || gen_random_uuid()::text
);
insert into log (incarnation) values (substr(replace(gen_random_uuid()::text, '-', ''), 1, 12));

create table workspace (
  id text primary key,
  created_at timestamptz not null
);
insert into workspace (id, created_at) values ('wrkspc_default', drover_now());

create table agent (
  workspace_id text not null,
  id text primary key,
  version int not null,
  name text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz
);
create index agent_page on agent (workspace_id, created_at desc, id desc);

create table agent_version (
  workspace_id text not null,
  agent_id text not null,
  version int not null,
  config json not null,
  created_at timestamptz not null,
  primary key (agent_id, version)
);

create table environment (
  workspace_id text not null,
  id text primary key,
  name text not null,
  description text,
  config json not null,
  metadata json not null,
  scope text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz
);
create index environment_page on environment (workspace_id, created_at desc, id desc);

-- With what workers of a self-hosted environment ask for its work. Of the key itself only its SHA-256 is kept.
create table environment_key (
  workspace_id text not null,
  id text primary key,
  environment_id text not null references environment (id) on delete cascade,
  name text,
  hash text not null unique,
  created_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index environment_key_page on environment_key (environment_id, created_at desc, id desc);

-- For a worker of a self-hosted environment: a session to serve. A session has at most one that has not stopped.
create table work_item (
  workspace_id text not null,
  id text primary key,
  environment_id text not null references environment (id) on delete cascade,
  session_id text not null,
  state text not null check (state in ('queued', 'starting', 'active', 'stopping', 'stopped')),
  metadata json not null default '{}',
  created_at timestamptz not null,
  -- In the queue: when it may be given to a worker.
  offered_at timestamptz not null,
  -- How often in a row it was given to one that did not come to read the session's events.
  attempts int not null default 0,
  -- In the queue: when a poll took it that has not been acknowledged.
  claimed_at timestamptz,
  acknowledged_at timestamptz,
  started_at timestamptz,
  latest_heartbeat_at timestamptz,
  stop_requested_at timestamptz,
  -- An operator asked for the stop, so that the session waits until there is more to do.
  stop_is_final boolean not null default false,
  stopped_at timestamptz,
  -- From acknowledgement on: without a heartbeat until then the worker has lost it.
  lease_until timestamptz,
  -- When this worker first read the session's events: it may have begun whatever is asked of it since.
  attached_at timestamptz,
  -- Who had it last, by which key, and when that was last heard of.
  worker_id text,
  key_id text,
  seen_at timestamptz,
  -- SHA-256 of the secret that its last poll was answered with.
  token_hash text unique
) with (fillfactor = 70);
create unique index work_item_live on work_item (session_id) where state <> 'stopped';
create index work_item_queue on work_item (environment_id, offered_at) where state = 'queued';
create index work_item_lease on work_item (lease_until) where state in ('starting', 'active', 'stopping');
create index work_item_page on work_item (environment_id, created_at desc, id desc);
create index work_item_stopped on work_item (stopped_at) where state = 'stopped';

-- Who has asked an environment for work.
create table work_poller (
  environment_id text not null references environment (id) on delete cascade,
  worker_id text not null,
  polled_at timestamptz not null,
  primary key (environment_id, worker_id)
) with (fillfactor = 50);
create index work_poller_age on work_poller (polled_at);

-- A session's own facts, which change seldom.
create table session (
  workspace_id text not null,
  id text primary key,
  agent_id text not null,
  agent_version int not null,
  agent json not null,
  -- As it was before the first update that changed it.
  first_agent json,
  -- The session whose log it has the beginning of, and up to which event.
  forked_from json,
  environment_id text not null references environment (id),
  -- Raised by whatever changes what is mounted into its sandbox; 0 when there never was anything.
  mounts_version int not null default 0,
  environment_config json not null,
  -- In the order in which they are looked through.
  vault_ids text[] not null default '{}',
  title text,
  metadata json not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz
);
create index session_page on session (workspace_id, created_at desc, id desc);
create index session_agent on session (workspace_id, agent_id, created_at desc, id desc);
create index session_environment on session (environment_id);

-- Whether a person is to answer one of them: the rest are for workers.
create function awaits_person(asks text[]) returns boolean language sql immutable as $$
  select exists (select from unnest(asks) as ask where ask like 'confirmation %' or ask like 'result %')
$$;

-- A session's hot row: every append locks and moves it.
create table session_head (
  workspace_id text not null,
  session_id text primary key,
  seq bigint not null,
  last_at timestamptz not null,
  status text not null check (status in ('idle', 'running', 'rescheduling', 'terminated')),
  status_at timestamptz not null,
  -- When a brain should next look at it; null when there is nothing to do.
  runnable_at timestamptz,
  lease_owner int,
  lease_epoch bigint not null default 0,
  -- A brain that reads a lower version than this cannot fold the log, and does not claim it.
  needs_reader int not null default 1,
  usage json not null,
  -- What clients may answer now, as '<kind> <event id>'.
  asks text[] not null default '{}',
  -- Where the log stood when a brain last changed them: the calls that they name are before it, close by.
  asks_seq bigint,
  -- The most it may cost, in cents; null is no budget.
  budget_cents bigint,
  -- Brains read the log from behind this seq on: the entry there holds all that was before it.
  fold_from bigint not null default 0,
  -- What it has cost at list prices, in billionths of a dollar; null when its model has no price.
  spent_nano bigint,
  -- The model may not be asked until the budget is raised.
  at_cap boolean not null default false,
  active_us bigint not null default 0,
  active_since timestamptz,
  -- Since when it has had a sandbox, and so a workspace to be kept.
  sandbox_at timestamptz,
  -- Whether a client has streamed or listed its events, and where its first turn began.
  seen boolean not null default false,
  first_turn_seq bigint,
  first_turn_at timestamptz,
  -- The self-hosted environment whose workers run its tools; null when `hands` do.
  work_environment_id text,
  -- Its newest work item, and whether that has not stopped.
  work_id text,
  work_live boolean not null default false
) with (fillfactor = 50);
create index session_head_runnable on session_head (workspace_id, runnable_at)
  where runnable_at is not null and lease_owner is null;
create index session_head_sandbox on session_head (sandbox_at) where sandbox_at is not null;
create index session_head_pending on session_head (workspace_id, status_at, session_id)
  where status = 'idle' and asks <> '{}' and awaits_person(asks);
create index session_head_at_cap on session_head (workspace_id, status_at, session_id)
  where status = 'idle' and at_cap and asks = '{}';
create index session_head_lease on session_head (lease_owner) where lease_owner is not null;

-- What sessions have cost on each day of UTC, in billionths of a dollar. It outlives them. One row per session and day,
-- so that sessions never wait for each other.
create table spend (
  -- Or the workspace, for what it has spent outside of its sessions.
  session_id text not null,
  day date not null,
  workspace_id text not null,
  agent_id text not null,
  nano bigint not null,
  primary key (session_id, day)
) with (fillfactor = 50);
create index spend_day on spend (workspace_id, day, agent_id);

-- What sessions have used in each hour of UTC. It outlives them, and has one row per session, hour and model for the same
-- reason. Written with the entries that tell of it.
create table usage_hour (
  -- Or the workspace, for what it has used outside of its sessions.
  session_id text not null,
  hour timestamptz not null,
  -- Who was asked; empty for what no model has used.
  model text not null,
  workspace_id text not null,
  agent_id text not null,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cache_read_tokens bigint not null default 0,
  cache_5m_tokens bigint not null default 0,
  cache_1h_tokens bigint not null default 0,
  web_searches bigint not null default 0,
  requests bigint not null default 0,
  -- Those of them whose tokens have no list price, and so are not in `nano`.
  unpriced bigint not null default 0,
  -- What it cost at list prices, in billionths of a dollar.
  nano bigint not null default 0,
  -- Of running sessions, as they came to rest.
  active_us bigint not null default 0,
  primary key (session_id, hour, model)
) with (fillfactor = 70);
create index usage_hour_page on usage_hour (workspace_id, hour);

create table thread (
  workspace_id text not null,
  session_id text not null,
  id text not null,
  parent_id text,
  -- Null for the primary thread: it runs the session's.
  agent json,
  status text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz,
  primary key (session_id, id)
) with (fillfactor = 70);

-- Whether a session.error says that it is tried again. By its text: an operator of json refuses a message with NUL, and within a
-- string all quotes are escaped.
create function is_retried(body json) returns boolean language sql immutable as $$
  select body::text like '%"retry_status":{"type":"retrying"}%'
$$;

-- Whether a session.status_idle says that the model has refused.
create function is_refused(body json) returns boolean language sql immutable as $$
  select body::text like '%"stop_reason":{"type":"refusal"}%'
$$;

-- body is json, not jsonb: it comes back byte for byte, and takes NUL and lone surrogates.
create table event (
  workspace_id text not null,
  session_id text not null,
  seq bigint not null,
  id text not null,
  thread_id text not null,
  -- internal: no client sees it. thread: on its thread's stream and list. session: also on the session's.
  -- queued: like session, but it takes its place in lists from the promoted entry that names it.
  audience text not null check (audience in ('internal', 'thread', 'session', 'queued')),
  type text not null,
  -- Of a promoted entry: the seq at which the event had arrived.
  of_seq bigint,
  body json not null,
  created_at timestamptz not null,
  primary key (session_id, seq)
);
create unique index event_promoted on event (session_id, of_seq) where of_seq is not null;
create index event_error on event (workspace_id, created_at desc, session_id desc, seq desc)
  where type = 'session.error' or type = 'session.status_idle' and is_refused(body);
create index event_error_ended on event (workspace_id, created_at desc, session_id desc, seq desc)
  where type = 'session.error' and not is_retried(body) or type = 'session.status_idle' and is_refused(body);

-- A brain process. It lives as long as it holds the advisory lock of its id and beats.
create table process (
  id int primary key,
  -- Versions of the master keys that it has, the one that it seals under first.
  master_keys text[] not null default '{}',
  -- For people: the program's, and what it does of it.
  version text not null default '',
  roles text[] not null default '{}',
  started_at timestamptz not null,
  beat_at timestamptz not null
);

-- A browser that has signed in with an API key. Of the token in its cookie only the SHA-256 is kept.
create table console_session (
  workspace_id text not null,
  token_hash text primary key,
  -- Names the key without being it. When that is none any more, nor is this.
  key_id text not null,
  created_at timestamptz not null,
  used_at timestamptz not null
);
create index console_session_age on console_session (used_at);

-- The answer of a request that carried an Idempotency-Key, for those that repeat it. Written in one transaction with what
-- the request did.
create table kept_answer (
  workspace_id text not null,
  credential text not null,
  -- Method and path.
  route text not null,
  key text not null,
  body_hmac text,
  -- Sealed, the same of a body that holds a secret, which could be guessed by it.
  body_sealed text,
  answer text not null,
  kept_at timestamptz not null,
  primary key (workspace_id, credential, route, key)
);
create index kept_answer_age on kept_answer (kept_at);

-- Sandboxes to remove: their sessions were archived or deleted. Kept apart from them, for a deleted one has no row.
create table cleanup (
  session_id text primary key,
  epoch bigint not null,
  -- It has the checkpoint that it began with, even where it never had a sandbox.
  forked boolean not null,
  try_at timestamptz not null
);

-- Which host has a session's sandbox. A session that never ran a tool has none.
create table placement (
  session_id text primary key,
  host_id text not null,
  -- Raised by each move; the sandbox's id holds it.
  generation int not null,
  -- The head's seq at the move: a call that was begun up to there may have run on a host before.
  moved_seq bigint not null,
  placed_at timestamptz not null
);

-- When a brain has last reached each sandbox host. What one brain cannot reach, another one may.
create table sandbox_host (
  host_id text primary key,
  reached_at timestamptz not null
);

-- Sandboxes that their sessions have left behind on hosts that could not be reached: those are told when they are back.
create table abandoned_sandbox (
  session_id text not null,
  generation int not null,
  host_id text not null,
  -- As high as any that the host may have seen of the session.
  epoch bigint not null,
  abandoned_at timestamptz not null,
  primary key (session_id, generation)
);
create index abandoned_sandbox_host on abandoned_sandbox (host_id, abandoned_at);

-- Volatile, so that a claim that waited for the head reads what the lease before it has written.
create function placement_of(id text) returns json language sql volatile as $$
  select json_build_object('host_id', host_id, 'generation', generation, 'moved_seq', moved_seq)
  from placement where session_id = id
$$;

-- Which file store this database goes with: another one would have none of its contents.
create table file_store (
  only_row boolean primary key default true check (only_row),
  id text not null
);

-- What files hold, each content once, whoever has it. What no row names goes some time later.
create table blob (
  sha256 text primary key,
  bytes bigint not null,
  -- Where the file store has it. A content that was removed and comes again has another key.
  key text not null unique,
  -- When it has come, or was last named by a new row.
  used_at timestamptz not null
);

-- Keys of what is still coming into the file store, and of what is to be removed from it, with the time of that.
create table stray_blob (
  key text primary key,
  remove_at timestamptz not null
);
create index stray_blob_due on stray_blob (remove_at);

create table file (
  workspace_id text not null,
  id text primary key,
  filename text not null,
  mime_type text not null,
  size_bytes bigint not null,
  -- Null from when it has expired or was deleted.
  sha256 text references blob (sha256),
  -- Whether clients may have its content. What they have uploaded they may only where the server is set so.
  downloadable boolean not null,
  -- Whether it counts against the workspace's quota while it has content.
  counted boolean not null,
  -- The session that it belongs to, and goes with.
  scope_session_id text,
  -- Where a session has written it, if it did; and when it was written there anew, as another file.
  path text,
  superseded_at timestamptz,
  created_at timestamptz not null,
  expires_at timestamptz,
  -- From then on nobody sees it. The row stays for a while: clients page by ids.
  deleted_at timestamptz
);
create index file_page on file (workspace_id, created_at desc, id desc);
create index file_scope on file (scope_session_id, created_at desc, id desc) where scope_session_id is not null;
create index file_output on file (scope_session_id, path)
  where path is not null and superseded_at is null and deleted_at is null;
create index file_blob on file (sha256) where sha256 is not null;
create index file_expiry on file (expires_at) where expires_at is not null and sha256 is not null;
create index file_expired on file (expires_at) where expires_at is not null and sha256 is null;
create index file_superseded on file (superseded_at) where superseded_at is not null and sha256 is not null;
create index file_deleted on file (deleted_at) where deleted_at is not null;

-- What a workspace's files take. Whoever adds or removes one locks this row first.
create table file_storage (
  workspace_id text primary key,
  bytes bigint not null
);

-- What a session has written into its outputs folder, as it was taken last: whatever has become of the file that it is since.
create table output (
  session_id text not null,
  -- Beneath the folder.
  path text not null,
  -- As its sandbox host tells it from what was there before.
  version text not null,
  bytes bigint not null,
  -- Of what it held. The content itself may be gone.
  content_sha256 text not null,
  written_at_ms bigint not null,
  primary key (session_id, path)
);

-- What of it is no file, as the session's log has told it.
create table output_left_out (
  session_id text not null,
  path text not null,
  why text not null,
  primary key (session_id, path)
);

-- Who takes a session's outputs, one at a time.
create table output_turn (
  session_id text primary key,
  -- A process may have a session's turn again before its last one has ended.
  process int not null,
  owner text not null,
  until timestamptz not null
);

-- A folder of instructions and of what they need, under a name that is its slug wherever it lies.
create table skill (
  workspace_id text not null,
  id text primary key,
  slug text not null,
  display_name text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- From then on it is there for the sessions alone that have it.
  deleted_at timestamptz
);
create unique index skill_slug on skill (workspace_id, slug) where deleted_at is null;
create index skill_page on skill (workspace_id, created_at desc, id desc) where deleted_at is null;

-- What was uploaded at one time; the newest that is not deleted is the latest.
create table skill_version (
  workspace_id text not null,
  id text primary key,
  skill_id text not null references skill (id),
  description text not null,
  -- All of it as one zip archive.
  archive_sha256 text not null references blob (sha256),
  created_at timestamptz not null,
  deleted_at timestamptz
);
create index skill_version_page on skill_version (skill_id, created_at desc, id desc) where deleted_at is null;
create index skill_version_skill on skill_version (skill_id);
create index skill_version_blob on skill_version (archive_sha256);
create index skill_version_deleted on skill_version (deleted_at) where deleted_at is not null;

create table skill_file (
  version_id text not null references skill_version (id),
  -- Within the skill's folder.
  path text not null,
  sha256 text not null references blob (sha256),
  bytes bigint not null,
  executable boolean not null,
  primary key (version_id, path)
);
create index skill_file_blob on skill_file (sha256);

-- The versions that a session has had since it was made, whatever becomes of their skills.
create table session_skill (
  workspace_id text not null,
  session_id text not null,
  skill_id text not null,
  version_id text not null references skill_version (id),
  primary key (session_id, skill_id)
);
create index session_skill_version on session_skill (version_id, skill_id);

-- What a session was given to work with: files, each a copy of its own, and repositories.
create table session_resource (
  workspace_id text not null,
  session_id text not null,
  id text primary key,
  type text not null check (type in ('file', 'github_repository')),
  -- Of a file: its copy, whose scope is the session.
  file_id text,
  -- Of a repository.
  url text,
  checkout json,
  -- Sealed; null for a public one.
  token text,
  mount_path text not null,
  -- By which clients page. It is never given twice: that of one that is added later is the session's new `mounts_version`.
  position int not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (session_id, position)
);
create unique index session_resource_path on session_resource (session_id, mount_path);
create unique index session_resource_file on session_resource (file_id) where file_id is not null;

-- What a file at `path` would find in a session: how many files there are, and the path of one that it cannot be beside. Volatile,
-- so that whoever waited for the session's head reads what was written before.
create function files_beside(of_session text, path text) returns json language sql volatile as $$
  select json_build_object('files', count(*), 'collides', min(mount_path) filter (
    where mount_path = path or starts_with(mount_path, path || '/') or starts_with(path, mount_path || '/')))
  from session_resource where session_id = of_session and type = 'file'
$$;

-- What files held that are named in what was said in a session: it stays as long as the session.
create table session_content (
  workspace_id text not null,
  session_id text not null references session (id) on delete cascade,
  sha256 text not null references blob (sha256),
  primary key (session_id, sha256)
);
create index session_content_blob on session_content (sha256);

-- Secrets that sessions use and never see.
create table vault (
  workspace_id text not null,
  id text primary key,
  display_name text not null,
  metadata json not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz
);
create index vault_page on vault (workspace_id, created_at desc, id desc);

create table credential (
  workspace_id text not null,
  vault_id text not null references vault (id) on delete cascade,
  id text primary key,
  display_name text,
  metadata json not null,
  -- As clients see it: nothing in it is secret.
  auth json not null,
  -- What it is for, once among the active ones of a vault: `mcp ` and a normalised URL, or `env ` and a name.
  key text not null,
  -- Sealed, an object whose fields its type names; null once it is archived.
  secret text,
  -- Raised by whatever changes the secret.
  secret_version int not null default 1,
  -- Who refreshes it at present, and until when that is believed.
  refresher text,
  refresh_until timestamptz,
  -- How often its refresh has failed in a row, with which version of the secret and why; until when nobody tries again.
  refresh_failures int not null default 0,
  refresh_failed_version int,
  refresh_failure text,
  refresh_rest_until timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz
);
create unique index credential_key on credential (vault_id, key) where archived_at is null;
create index credential_page on credential (vault_id, created_at desc, id desc);

-- Of a vault that is locked: how many active credentials it has, and whether one is for the same. Volatile, and so with a
-- snapshot of its own: it sees what others committed while the lock was waited for.
create function credentials_beside(of_vault text, of_key text) returns json language sql volatile as $$
  select json_build_object('active', count(*), 'same', count(*) filter (where key = of_key) > 0)
  from credential where vault_id = of_vault and archived_at is null
$$;

-- Of a vault that is locked. For the same reason a function.
create function archive_credentials(of_vault text, at timestamptz) returns bigint language sql volatile as $$
  with ended as (
    update credential set archived_at = at, secret = null, refresher = null, refresh_until = null
    where vault_id = of_vault and archived_at is null returning id
  )
  select count(*) from ended
$$;

-- By what the programs of a session reach hosts with its credentials: each session has one, from its first sandbox on.
create table session_pass (
  workspace_id text not null,
  session_id text primary key references session (id) on delete cascade,
  -- Of its certificate authority, in PEM.
  certificate text not null,
  -- Sealed, an object: what its sandbox host names it by, and the authority's private key.
  secret text not null,
  created_at timestamptz not null
);

-- What stands for a secret in a session's sandboxes. It is none, and stays while the secret changes.
create table session_placeholder (
  workspace_id text not null,
  session_id text not null references session (id) on delete cascade,
  credential_id text not null,
  placeholder text not null,
  primary key (session_id, credential_id)
);

-- The uses of credentials, as a session's audit shows them: those of one minute that are alike in one row. They outlive the
-- credential.
create table credential_use (
  workspace_id text not null,
  session_id text not null references session (id) on delete cascade,
  id text primary key,
  -- A credential of a vault, or a repository among the session's resources.
  credential_id text,
  resource_id text,
  type text not null check (type in ('environment_variable', 'repository', 'mcp', 'oauth_refresh')),
  host text not null,
  outcome text not null,
  count bigint not null,
  minute timestamptz not null,
  -- Of the first one.
  created_at timestamptz not null,
  -- The newest messages by which they were told, each of which may come more than once.
  tells text[] not null default '{}'
);
create unique index credential_use_alike on credential_use (
  session_id, minute, coalesce(credential_id, resource_id), type, host, outcome);
create index credential_use_age on credential_use (created_at);
create index credential_use_page on credential_use (session_id, created_at desc, id desc);

-- The same by credential: where each was used, by the statement that writes down the uses.
create table credential_use_summary (
  workspace_id text not null,
  credential_id text not null,
  session_id text not null references session (id) on delete cascade,
  type text not null check (type in ('environment_variable', 'repository', 'mcp', 'oauth_refresh')),
  host text not null,
  count bigint not null,
  last_outcome text not null,
  first_used_at timestamptz not null,
  last_used_at timestamptz not null,
  primary key (credential_id, session_id, type, host)
);
create index credential_use_summary_page on credential_use_summary (
  credential_id, last_used_at desc, session_id desc, type desc, host desc);
create index credential_use_summary_session on credential_use_summary (session_id);
create index credential_use_summary_age on credential_use_summary (last_used_at);
