-- Up Migration

-- What has been decided and still has to be told. Written in the transaction of the decision; published after its commit
-- by the process that wrote it (that is what the lease is for), or by any other once the lease has run out.
create table outbox (
  id          uuid primary key,
  exchange    text not null,
  routing_key text not null,
  envelope    jsonb not null,
  lease_until timestamptz not null default now() + interval '5 seconds',
  tries       int not null default 0,
  -- Set when the broker kept refusing it: kept to be looked at, in nobody's way.
  parked_at   timestamptz,
  created_at  timestamptz not null default now()
);
create index outbox_lease on outbox (lease_until) where parked_at is null;
-- Rows live for milliseconds: vacuum early, or dead tuples slow every poll.
alter table outbox set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, fillfactor = 70);

-- Every message that has been handled, and what was said in answer: a duplicate does nothing and hears the same again.
create table inbox (
  id          uuid primary key,
  type        text not null,
  said        jsonb,
  received_at timestamptz not null default now()
);
create index inbox_received on inbox (received_at);

-- Messages whose handler failed. With retry_at they will be tried again; without, they are dead letters with their reason.
create table failed_message (
  id          uuid primary key,
  type        text not null,
  envelope    jsonb not null,
  reason      text not null,
  tries       int not null default 1,
  -- By the broker, beyond the first.
  deliveries  int not null default 1,
  retry_at    timestamptz,
  first_at    timestamptz not null default now(),
  last_at     timestamptz not null default now()
);
create index failed_message_retry on failed_message (retry_at) where retry_at is not null;

-- Down Migration

drop table failed_message;
drop table inbox;
drop table outbox;
