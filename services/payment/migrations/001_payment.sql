-- Up Migration

-- A user at Stripe, made when one is first needed: for saving a card or for paying with a saved one.
create table customer (
  user_id            text primary key,
  stripe_customer_id text not null unique,
  created_at         timestamptz not null default now()
);

-- A saved card. The card itself is at Stripe; here is what a list shows. The same card is one row, however often it is added.
create table payment_method (
  id               uuid primary key default gen_random_uuid(),
  user_id          text not null references customer,
  stripe_method_id text not null unique,
  fingerprint      text not null,
  brand            text not null,
  last4            text not null,
  exp_month        int not null check (exp_month between 1 and 12),
  exp_year         int not null,
  nickname         text,
  is_default       boolean not null,
  created_at       timestamptz not null default now(),
  unique (user_id, fingerprint)
);
create unique index payment_method_one_default on payment_method (user_id) where is_default;

-- What is asked for one reservation. Without user and amount it is a tombstone: closed before it was ever opened.
create table payment (
  id             uuid primary key default gen_random_uuid(),
  reservation_id uuid not null unique,
  user_id        text,
  amount         bigint check (amount > 0),
  currency       text,
  -- open: intents may be made. closing: none may be made, those there are being cancelled. closed: none can be paid.
  state          text not null check (state in ('open', 'closing', 'closed')),
  -- Grows with every progress that is told, so that an older one can be known as older.
  revision       int not null default 0,
  -- When the cancelling of a closing payment is tried next.
  close_at       timestamptz,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  check ((amount is null) = (currency is null) and (amount is null) = (user_id is null)),
  check (amount is not null or state = 'closed'),
  check ((state = 'closing') = (close_at is not null))
);
create index payment_closing on payment (close_at) where state = 'closing';

-- The answer to each attempt, without its client secret: the same attempt asked again is answered the same.
create table payment_attempt (
  payment_id uuid not null references payment,
  attempt    int not null check (attempt > 0),
  answer     jsonb not null,
  created_at timestamptz not null default now(),
  primary key (payment_id, attempt)
);

-- A PaymentIntent at Stripe, as it was last seen.
create table payment_intent (
  id              text primary key,
  payment_id      uuid not null references payment,
  attempt         int not null,
  -- Null when it was found at Stripe rather than made here.
  client_secret   text,
  status          text not null check (status in ('requires_payment_method', 'requires_confirmation', 'requires_action',
                    'processing', 'requires_capture', 'canceled', 'succeeded', 'unknown')),
  progress        text not null check (progress in ('unpaid', 'processing', 'requires_action', 'failed')),
  action_type     text check (action_type in ('redirect_to_url', 'use_stripe_sdk')),
  decline_code    text,
  charge_id       text,
  amount_received bigint not null default 0,
  currency        text not null,
  captured_at     timestamptz,
  -- Paid, but not as we had asked: confirms nothing and is given back.
  mismatch        text check (mismatch in ('amount', 'currency', 'metadata')),
  amount_refunded bigint not null default 0,
  -- Why we give all of it back, decided once.
  refund_cause    text check (refund_cause in ('late', 'duplicate', 'mismatch')),
  -- When the newest event about it was made at Stripe: an older one that comes later says nothing new.
  event_at        timestamptz,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  check (captured_at is null or mismatch is null),
  check ((status = 'succeeded') = (captured_at is not null or mismatch is not null)),
  check (refund_cause is null or status = 'succeeded')
);
create index payment_intent_payment on payment_intent (payment_id, created_at);
-- However many attempts come at once: a reservation has one intent that can still be paid.
create unique index payment_intent_one_open on payment_intent (payment_id)
  where status not in ('canceled', 'succeeded');

-- Money given back, one row for each refund at Stripe, whoever made it.
create table refund (
  id                text primary key,
  payment_intent_id text not null references payment_intent,
  cause             text not null check (cause in ('late', 'duplicate', 'mismatch', 'external')),
  amount            bigint not null,
  reason            text,
  status            text not null,
  created_at        timestamptz not null
);
create index refund_intent on refund (payment_intent_id, created_at);

-- Every call that changes something at Stripe, and reading that must not be forgotten: written down and committed before it
-- is made. What became of it is recorded together with its effect. Pending: not known, to be repeated with the same key.
create table stripe_call (
  -- Stripe's idempotency key, but for the generation.
  key            text primary key,
  -- Stripe replays failures as well: what has to be tried anew goes on under the key's next generation.
  generation     int not null default 0,
  operation      text not null,
  work           jsonb not null,
  reservation_id uuid,
  state          text not null check (state in ('pending', 'done', 'failed')),
  problem        jsonb,
  tries          int not null default 0,
  -- When it may be tried by whoever comes first; until then it belongs to whoever tries it now.
  retry_at       timestamptz not null,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now()
);
create index stripe_call_due on stripe_call (retry_at) where state = 'pending';
create index stripe_call_old on stripe_call (updated_at) where state <> 'pending';
-- What can move money towards us is done one at a time for each reservation.
create unique index stripe_call_one_at_a_time on stripe_call (reservation_id)
  where state = 'pending' and operation like 'payment\_intents.%';

-- Every event that Stripe has sent, once. Parked: about an intent we do not know yet; tried again for a day.
create table stripe_event (
  id                text primary key,
  type              text not null,
  state             text not null check (state in ('done', 'ignored', 'parked', 'given_up')),
  payment_intent_id text,
  -- What is needed to handle it later; no client secret.
  subject           jsonb,
  tries             int not null default 0,
  retry_at          timestamptz,
  received_at       timestamptz not null default now(),
  check ((state = 'parked') = (retry_at is not null))
);
create index stripe_event_parked on stripe_event (retry_at) where state = 'parked';
create index stripe_event_old on stripe_event (received_at) where state <> 'parked';

-- Down Migration

drop table stripe_event;
drop table stripe_call;
drop table refund;
drop table payment_intent;
drop table payment_attempt;
drop table payment;
drop table payment_method;
drop table customer;
