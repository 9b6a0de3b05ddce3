#!/bin/sh
# Completes the environment from files and becomes the service.
#
# Every *.env file in SETTINGS_DIR is a group of settings that belong together: Stripe's keys and where Stripe is, a
# database's URL. A group is read when the environment does not set its first variable, and then whole. So real Stripe
# keys in the environment replace the emulator's keys and its address at once, and nobody can have half of each.
set -eu

for file in "${SETTINGS_DIR:-/run/holdfast}"/*.env; do
  [ -r "$file" ] || continue
  IFS='=' read -r first _ < "$file"
  # An empty variable counts as absent, as it does for the services.
  [ -z "$(printenv "$first" || true)" ] || continue
  set -a
  # shellcheck source=/dev/null
  . "$file"
  set +a
done

# Instances of a service are told apart by the container they run in: in logs, in Postgres and in RabbitMQ.
case "$1" in services/*)
  service="${1#services/}" && service="${service%%/*}"
  export SERVICE_INSTANCE="${SERVICE_INSTANCE:-$service-$(uname -n)}"
esac

exec node --disable-warning=ExperimentalWarning "$@"
