#!/bin/sh
# What PostgreSQL's own image does at its first start, in its place where it cannot be pulled.
set -eu
export PGDATA=/var/lib/postgresql/18/docker
user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  printf %s "$POSTGRES_PASSWORD" >/tmp/password
  initdb --username="$user" --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  # It does not listen to TCP before it is complete.
  pg_ctl --wait --options="-c listen_addresses= -c unix_socket_directories=/tmp" start
  if [ "$database" != postgres ]; then createdb --host=/tmp --username="$user" "$database"; fi
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ -e "$file" ] || continue
    psql --host=/tmp --username="$user" --set=ON_ERROR_STOP=1 --file="$file" "$database"
  done
  pg_ctl --wait --mode=fast stop
fi
[ "${1:-}" != postgres ] || shift
exec postgres -c "listen_addresses=*" -c unix_socket_directories=/tmp "$@"
