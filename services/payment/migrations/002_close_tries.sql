-- Up Migration

-- How often closing it has come upon an intent that the bank had not decided on: the pauses grow with it.
alter table payment add column close_tries int not null default 0;

-- Down Migration

alter table payment drop column close_tries;
