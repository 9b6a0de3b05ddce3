#!/bin/sh
# Password and cookie come from files (infra/docker/generate-settings.sh): the official image takes both by environment
# only, where `docker inspect` would show them.
set -eu

RABBITMQ_DEFAULT_USER=holdfast
RABBITMQ_DEFAULT_PASS="$(cat /run/holdfast/password)"
export RABBITMQ_DEFAULT_USER RABBITMQ_DEFAULT_PASS

# Nodes of a cluster know one another by it. It must be readable by its owner alone; the official entrypoint, which runs
# as root first, gives it to rabbitmq.
cookie=/var/lib/rabbitmq/.erlang.cookie
rm -f "$cookie"
(umask 077 && cat /run/holdfast/cookie > "$cookie")

if [ -n "${RABBITMQ_JOIN:-}" ]; then
  cp /usr/local/share/holdfast/30-join.conf /etc/rabbitmq/conf.d/
fi

exec docker-entrypoint.sh "$@"
