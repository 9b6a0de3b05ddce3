-- Up Migration

-- What is on offer. Prices are in the currency's minor unit.
create table experience (
  id              uuid primary key default gen_random_uuid(),
  title           text not null,
  description     text not null,
  time_zone       text not null,
  currency        text not null,
  price_per_guest int not null check (price_per_guest >= 0),
  -- How long seats are held for a guest who has not paid yet.
  hold_seconds    int not null check (hold_seconds > 0),
  max_guests      int check (max_guests > 0),
  discounts       jsonb not null,
  status          text not null default 'active' check (status in ('active', 'archived')),
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now()
);
create index experience_newest on experience (created_at desc, id desc) where status = 'active';

-- When an experience takes place, and how many of its seats are spoken for. The sums of the allocations, kept here so that
-- one row decides; whoever moves seats holds this row's lock, and the check stands behind all arithmetic.
create table time_slot (
  id              uuid primary key default gen_random_uuid(),
  experience_id   uuid not null references experience,
  starts_at       timestamptz not null,
  ends_at         timestamptz not null,
  capacity        int not null,
  held            int not null default 0,
  booked          int not null default 0,
  status          text not null default 'open' check (status in ('open', 'closed')),
  -- Instead of the experience's price.
  price_per_guest int check (price_per_guest >= 0),
  constraint time_slot_times check (ends_at > starts_at),
  constraint time_slot_seats check (held >= 0 and booked >= 0 and held + booked <= capacity)
) with (fillfactor = 50);
create index time_slot_calendar on time_slot (experience_id, starts_at, id);
-- A hot slot is updated hundreds of times a second: room on its page keeps those updates out of the indexes, and early
-- vacuuming keeps the chain of its dead versions short.
alter table time_slot set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- The seats of one reservation. Its terms are those of the moment of allocation: asked again, it answers the same price.
-- A released one without a slot is a tombstone: its reservation was over before its seats were asked for.
create table allocation (
  reservation_id  uuid primary key,
  state           text not null check (state in ('held', 'booked', 'released')),
  -- No foreign key: whoever writes it has just locked the slot, no slot is ever deleted, and it would be checked row by row.
  time_slot_id    uuid,
  guests          int check (guests > 0),
  allocated_at    timestamptz,
  price_per_guest int,
  currency        text,
  discounts       jsonb,
  starts_at       timestamptz,
  hold_seconds    int,
  -- From when on a held one is suspicious: its hold should be over. Moved on each time reservation says that it is not.
  audit_at        timestamptz not null,
  audits          int not null default 0,
  constraint allocation_seats check (
    num_nulls(time_slot_id, guests, allocated_at, price_per_guest, currency, discounts, starts_at, hold_seconds)
      = case when time_slot_id is null and state = 'released' then 8 else 0 end
  )
);
create index allocation_audit on allocation (audit_at) where state = 'held';

-- Admits what was asked, in the order of the arrays, and answers for each of them: one call, one commit for all. The same
-- result as the pure `admit` in src/time-slot.ts; a property test holds the two together.
--
-- Each statement of a volatile function sees what was committed before it began. So the slots are locked by a statement of
-- their own: the next one sees them as they are now, whoever had them before. Ids in order, so that two calls cannot wait
-- for each other.
--
-- A reservation that has an allocation is answered from it, whatever was asked this time. The first row of each slot
-- carries the slot and its experience for all others.
create function allocate_seats(reservation_ids uuid[], experience_ids uuid[], time_slot_ids uuid[], party_sizes int[])
returns table (
  outcome text, slot_id uuid, available int, max_guests int, guests int,
  allocated_at timestamptz, price_per_guest int, discounts jsonb, starts_at timestamptz, hold_seconds int,
  slot jsonb, experience jsonb
)
language plpgsql volatile
-- Few rows, found by key, thousands of times: planned once per connection, and never as a scan because the tables happened
-- to be small then. `offset 0` below is there for the same reason: rows are looked up one by one, by primary key.
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  moment  timestamptz;
  waiting int;
  taken   int;
begin
  perform from time_slot where id = any (time_slot_ids) order by id for no key update;
  moment := date_trunc('milliseconds', clock_timestamp());

  -- Admits, for each slot, those before the first that does not fit. That one will not fit later either, but a smaller
  -- party behind it may: again, until nobody who fits is left. Each turn rules out a party size, or finds an allocation
  -- that was made meanwhile, so there cannot be more turns than parties.
  for turn in 0 .. cardinality(reservation_ids) loop
    with asked as (
      select ask.n, ask.reservation_id, ask.guests, s.id as slot_id, s.starts_at, e.currency, e.discounts, e.hold_seconds,
        coalesce(s.price_per_guest, e.price_per_guest) as price_per_guest,
        s.capacity - s.held - s.booked as free,
        sum(ask.guests) over (partition by s.id order by ask.n) as running
      from unnest(reservation_ids, experience_ids, time_slot_ids, party_sizes)
        with ordinality as ask (reservation_id, experience_id, slot_id, guests, n)
      cross join lateral (select * from time_slot where id = ask.slot_id offset 0) s
      cross join lateral (select * from experience where id = s.experience_id offset 0) e
      where s.experience_id = ask.experience_id and s.status = 'open' and e.status = 'active' and s.starts_at > moment
        and ask.guests <= s.capacity - s.held - s.booked
        and ask.guests <= coalesce(e.max_guests, ask.guests)
        and not exists (select from allocation a where a.reservation_id = ask.reservation_id)
    ), admitted as (
      insert into allocation (reservation_id, state, time_slot_id, guests, allocated_at, price_per_guest, currency,
        discounts, starts_at, hold_seconds, audit_at)
      select reservation_id, 'held', slot_id, guests, moment, price_per_guest, currency,
        discounts, starts_at, hold_seconds, moment + make_interval(secs => hold_seconds)
      from asked where running <= free order by n
      on conflict (reservation_id) do nothing
      returning time_slot_id, guests
    ), counted as (
      update time_slot s set held = s.held + a.guests
      from (select time_slot_id, sum(guests) as guests from admitted group by time_slot_id) a
      where s.id = a.time_slot_id
    )
    select (select count(*) from asked), (select count(*) from admitted) into waiting, taken;
    exit when taken = waiting;
  end loop;

  return query
  select
    case
      when ask.state = 'released' then 'released'
      when ask.state is not null then 'allocated'
      when s.id is null or s.experience_id <> ask.experience_id then 'slot_not_found'
      when ask.party_size > e.max_guests then 'too_many_guests'
      when s.status <> 'open' or e.status <> 'active' or s.starts_at <= moment then 'slot_not_available'
      when s.capacity = s.held + s.booked then 'slot_not_available'
      else 'not_enough_capacity'
    end,
    s.id, s.capacity - s.held - s.booked, e.max_guests, ask.guests,
    ask.allocated_at, ask.price_per_guest, ask.discounts, ask.starts_at, ask.hold_seconds,
    case when ask.first_of_slot then to_jsonb(s) end, case when ask.first_of_slot then to_jsonb(e) end
  from (
    select asked.n, asked.experience_id, asked.party_size, coalesce(a.time_slot_id, asked.slot_id) as slot_id,
      row_number() over (partition by coalesce(a.time_slot_id, asked.slot_id) order by asked.n) = 1 as first_of_slot,
      a.state, a.guests, a.allocated_at, a.price_per_guest, a.discounts, a.starts_at, a.hold_seconds
    from unnest(reservation_ids, experience_ids, time_slot_ids, party_sizes)
      with ordinality as asked (reservation_id, experience_id, slot_id, party_size, n)
    left join allocation a on a.reservation_id = asked.reservation_id
  ) ask
  left join lateral (select * from time_slot where id = ask.slot_id offset 0) s on true
  left join lateral (select * from experience where id = s.experience_id offset 0) e on true
  order by ask.n;
end
$$;

-- Down Migration

drop function allocate_seats(uuid[], uuid[], uuid[], int[]);
drop table allocation;
drop table time_slot;
drop table experience;
