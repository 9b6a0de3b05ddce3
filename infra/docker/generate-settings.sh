#!/bin/sh
# Makes up the passwords of a compose stack once, and hands each container the settings it needs and no others. Runs before
# everything else at each `docker compose up`; what has been made up stays as long as its volume.
#
# One volume for each container: reservation cannot read payment's password, let alone Postgres' own. The files are
# readable for everyone because the containers' users differ; only containers that mount the volume see them.
set -eu
umask 022
cd /settings

# A random value under a name, the same every time. Moved into place, so that a cut leaves none that is half written.
secret() {
  if [ ! -s "secrets/$1" ]; then
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "secrets/$1.new"
    mv "secrets/$1.new" "secrets/$1"
  fi
  cat "secrets/$1"
}

write() {
  cat > "$1.new"
  mv "$1.new" "$1"
}

secret postgres | write postgres/postgres
secret rabbitmq | write rabbitmq/password
secret erlang-cookie | write rabbitmq/cookie

for service in inventory reservation payment; do
  secret "postgres-$service" | write "postgres/$service"
  echo "DATABASE_URL=postgres://$service:$(secret "postgres-$service")@postgres:5432/$service" | write "$service/database.env"
done
for service in inventory reservation payment timeout; do
  echo "RABBITMQ_URL=amqp://holdfast:$(secret rabbitmq)@rabbitmq:5672" | write "$service/broker.env"
done

write cognito-issuer/cognito.env <<END
COGNITO_USER_POOL_ID=us-east-1_Holdfast1
COGNITO_CLIENT_ID=holdfastlocal
COGNITO_JWKS_ORIGIN=http://cognito-issuer:8080
END
for service in gateway inventory reservation payment; do
  write "$service/cognito.env" < cognito-issuer/cognito.env
done

write stripe-emulator/stripe.env <<END
STRIPE_SECRET_KEY=sk_test_holdfast$(secret stripe-secret-key)
STRIPE_WEBHOOK_SECRET=whsec_$(secret stripe-webhook-secret)
END
{
  cat stripe-emulator/stripe.env
  echo "STRIPE_API_URL=http://stripe-emulator:8080"
} | write payment/stripe.env

echo 'The settings are in place.'
