-- Up Migration

-- When there was news of this payment's money that reservation may not have heard of, for a message may be lost with its broker.
-- A while later reservation is asked. Null when it has heard.
alter table payment add column audit_at timestamptz;
alter table payment add column audits int not null default 0;
create index payment_audit on payment (audit_at) where audit_at is not null;

-- Down Migration

drop index payment_audit;
alter table payment drop column audits;
alter table payment drop column audit_at;
