#!/bin/bash
# A database and a role for each service that owns data; no role can connect to another's database, for connecting is
# granted to everyone until it is revoked. Runs at each `docker compose up` and may be cut at any point: it makes what is
# missing. (The image's own /docker-entrypoint-initdb.d runs once only, even if it did not get to its end.)
set -euo pipefail

PGPASSWORD="$(cat /run/holdfast/postgres)"
export PGPASSWORD

for name in inventory reservation payment; do
  # Passwords through psql's own variables, which it quotes, and not on its command line, which others can list.
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 <<SQL
\set name $name
\set password \`cat /run/holdfast/$name\`
select not exists (select from pg_roles where rolname = :'name') as missing \gset
\if :missing
create role :"name";
\endif
alter role :"name" login password :'password';
select not exists (select from pg_database where datname = :'name') as missing \gset
\if :missing
create database :"name" owner :"name";
\endif
revoke all on database :"name" from public;
SQL
done
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --command 'revoke connect on database postgres, template1 from public'
echo 'The databases are in place.'
