#!/usr/bin/env bash
# The members of a replica set, though it be one, prove themselves by a key file that no one else
# may read; a mounted file keeps its owner on the host.
set -euo pipefail
umask 377
printf '%s' "${MONGODB_KEYFILE:?is not set}" >/tmp/keyfile
umask 022
unset MONGODB_KEYFILE
exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /tmp/keyfile --bind_ip_all --wiredTigerCacheSizeGB 0.25
