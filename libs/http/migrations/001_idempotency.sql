-- Up Migration

-- One row for each idempotency key of a user and route: first as a lease while the request runs, then with the answer that
-- was committed together with its effect.
create table idempotency_key (
  -- Derived from user, method, route and key.
  id           uuid primary key,
  request_hash bytea not null,
  status       int,
  -- json, not jsonb: the answer is replayed as it was, key order included.
  body         json,
  -- What a retry needs to take up the work where a crash left it.
  recovery     jsonb,
  locked_until timestamptz,
  created_at   timestamptz not null default now(),
  check ((status is null) = (body is null))
);
create index idempotency_key_created on idempotency_key (created_at);

-- Down Migration

drop table idempotency_key;
