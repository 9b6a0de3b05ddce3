-- Up Migration

-- Every id that a reservation has, or must never get: when inventory finds seats whose reservation never came to be, the
-- audit leaves the id here, and a hold that comes late cannot be written any more.
create table reservation_id (
  id         uuid primary key,
  created_at timestamptz not null default now()
);

-- A booking from its hold to its end. A hold is a reservation whose status is held.
create table reservation (
  id                    uuid primary key,
  user_id               text not null,
  experience_id         uuid not null,
  time_slot_id          uuid not null,
  status                text not null check (status in ('held', 'pending', 'confirmed', 'expired', 'cancelled')),
  payment_status        text not null check (payment_status in
    ('unpaid', 'processing', 'requires_action', 'failed', 'paid', 'partially_refunded', 'refunded')),
  -- Where the saga stands with its two partners; what is still to be done follows from these (booking-saga.ts).
  payment               text not null check (payment in ('none', 'opening', 'open', 'closing', 'closed', 'captured')),
  seats                 text not null check (seats in
    ('held', 'confirming', 'booked', 'releasing', 'released', 'reacquiring')),
  close_reason          text check (close_reason in ('expired', 'released')),
  closing_since         timestamptz,

  number_of_guests      int not null check (number_of_guests > 0),
  guest_name            text not null,
  guest_email           text not null,
  guest_phone           text,
  special_requests      text,

  -- Priced once, at the hold. Minor units.
  original_price        bigint not null check (original_price >= 0),
  discount_applied      bigint not null check (discount_applied between 0 and original_price),
  total_price           bigint not null check (total_price = original_price - discount_applied),
  currency              text not null,
  -- As they were at the hold.
  experience            jsonb not null,
  time_slot             jsonb not null,

  hold_expires_at       timestamptz not null,
  attempt               int not null default 0,
  converted_at          timestamptz,
  poll_round            int not null default 0,

  -- The intent the guest is to pay or has paid, and what came of it.
  payment_intent_id     text,
  payment_revision      int not null default 0,
  payment_id            uuid,
  charge_id             text,
  captured_minor        bigint,
  refunds_due           jsonb not null default '[]',
  refunds               jsonb not null default '[]',
  outcome               text check (outcome in ('late_payment_confirmed', 'late_payment_refunded',
    'duplicate_payment_refunded', 'mismatch_refunded')),
  reservation_reference text unique check (reservation_reference ~ '^[A-Z0-9]{12}$'),

  -- When somebody has to look at this row again, whatever timers and messages do. Null when all is done.
  wake_at               timestamptz,
  repeats               int not null default 0,
  created_at            timestamptz not null,
  updated_at            timestamptz not null,

  check ((status = 'confirmed') = (reservation_reference is not null)),
  check (status <> 'confirmed' or seats in ('confirming', 'booked')),
  check (status not in ('held', 'pending') or seats = 'held'),
  check (status not in ('expired', 'cancelled') or seats in ('releasing', 'released', 'reacquiring')),
  check ((payment = 'closing') <= (close_reason is not null))
);
create index reservation_wake on reservation (wake_at) where wake_at is not null;
-- For the limit of active holds of one user on one slot.
create index reservation_active on reservation (user_id, time_slot_id) where status in ('held', 'pending');
create index reservation_of_user on reservation (user_id, created_at desc, id desc);

-- Every step of the saga, for the guest and for whoever is on call.
create table timeline (
  id             bigint generated always as identity primary key,
  reservation_id uuid not null,
  at             timestamptz not null,
  type           text not null,
  from_status    text,
  to_status      text not null,
  message_id     text,
  causation_id   text,
  details        jsonb not null default '{}'
);
create index timeline_of_reservation on timeline (reservation_id, id);

-- Down Migration

drop table timeline;
drop table reservation;
drop table reservation_id;
