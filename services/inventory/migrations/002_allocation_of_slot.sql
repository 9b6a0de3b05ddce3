-- Up Migration

-- What the seats of one slot add up to, when the promises are held against the record: without reading all others'.
create index allocation_of_slot on allocation (time_slot_id) where state <> 'released';

-- Down Migration

drop index allocation_of_slot;
