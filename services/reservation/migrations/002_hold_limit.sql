-- Up Migration

-- The active holds of one user on one time slot, counted while nobody else can add to them: the lock is kept until the
-- transaction ends. Volatile, so the count sees what was committed while it waited for the lock; the statement that calls
-- it does not. Two keys, because a migration locks by one.
create function lock_active_holds(guest text, slot uuid, most int) returns int language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock(hashtext(guest), hashtext(slot::text));
  return (select count(*) from (
    select 1 from reservation where user_id = guest and time_slot_id = slot and status in ('held', 'pending') limit most
  ) as theirs);
end $$;

-- Down Migration

drop function lock_active_holds;
