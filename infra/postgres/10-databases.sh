#!/bin/bash
# A database and a role for each service that owns data. Runs once, when Postgres makes its data folder. No role can connect
# to another's database: connecting is granted to everyone until it is revoked.
set -euo pipefail

for name in inventory reservation payment; do
  # By psql's own variables, which it quotes, and not through the command line, which others can list.
  psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 --quiet <<SQL
\set name $name
\set password \`cat /run/holdfast/$name\`
create role :"name" login password :'password';
create database :"name" owner :"name";
revoke all on database :"name" from public;
SQL
done
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 --quiet \
  --command 'revoke connect on database postgres, template1 from public'
