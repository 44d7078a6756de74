#!/usr/bin/env bash
# What docker-entrypoint.sh of MongoDB's image does, in its place where it cannot be pulled. The
# data is in $DATA, what the image finds in /docker-entrypoint-initdb.d in $FIRST.
set -euo pipefail
[[ "$1" = mongod ]] && shift
if [[ ! -e "$DATA/WiredTiger" ]]; then
  mkdir -p "$DATA"
  # It needs no key file, is in no replica set, and is open to this machine alone.
  mongod --fork --logpath "$DATA.first.log" --dbpath "$DATA" --bind_ip 127.0.0.1 >/dev/null
  # shellcheck disable=SC2016 # JavaScript
  mongosh --quiet --norc admin --eval 'db.createUser({
    user: process.env.MONGO_INITDB_ROOT_USERNAME, pwd: process.env.MONGO_INITDB_ROOT_PASSWORD, roles: ["root"] })'
  for file in "$FIRST"/*.js; do
    mongosh --quiet --norc --username "$MONGO_INITDB_ROOT_USERNAME" --password "$MONGO_INITDB_ROOT_PASSWORD" \
      --authenticationDatabase admin test "$file"
  done
  mongod --shutdown --dbpath "$DATA" >/dev/null
fi
exec mongod --dbpath "$DATA" --auth "$@"
