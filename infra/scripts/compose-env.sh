#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infra/scripts/compose-env.sh [--help] [FILE]

Makes the secrets of infra/compose.yaml, at random, in FILE: infra/.env. A file that is there is left as it is. Needs openssl.
infra/.env.example says what each is for.
TEXT
}

folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
case "${1:-}" in
  -h | --help)
    usage
    exit
    ;;
  -*)
    usage >&2
    exit 2
    ;;
esac
file="${1:-$folder/.env}"
if [[ -e "$file" ]]; then
  echo "$file is there already; it is left as it is"
  exit
fi
command -v openssl >/dev/null || {
  echo "openssl is not installed" >&2
  exit 1
}

# Letters and digits only: no escaping in URLs and files.
secret() { openssl rand -hex 24; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# A private key of P-256 in DER is 121 bytes (RFC 5915): d is at offset 7, the point at the end.
signing_keys() {
  local der d x y
  der="$(openssl ecparam -name prime256v1 -genkey -noout -outform DER | openssl base64 -A)"
  part() { printf '%s' "$der" | openssl base64 -d -A | tail -c "+$1" | head -c 32 | base64url; }
  d="$(part 8)" x="$(part 58)" y="$(part 90)"
  printf '{"keys":[{"kty":"EC","crv":"P-256","kid":"%s","x":"%s","y":"%s","d":"%s"}]}' "$(openssl rand -hex 8)" "$x" "$y" "$d"
}

seed_users() {
  printf '[{"email":"alice@example.com","displayName":"Alice","roles":["customer"],"password":"%s"},' "$(secret)"
  printf '{"email":"olivia@example.com","displayName":"Olivia","roles":["operator"],"password":"%s"},' "$1"
  printf '{"email":"admin@example.com","displayName":"Admin","roles":["admin"],"password":"%s"}]' "$(secret)"
}

client_secret="$(secret)"
operator_password="$(secret)"
umask 077
# Renamed when complete.
draft="$file.new"
cat >"$draft" <<TEXT
# Made by infra/scripts/compose-env.sh; infra/.env.example says what each is for. Not for the
# repository.
SYSTEM_ID=compose-$(openssl rand -hex 8)
POSTGRES_PASSWORD=$(secret)
IDENTITY_DATABASE_PASSWORD=$(secret)
ORDER_DATABASE_PASSWORD=$(secret)
PAYMENT_DATABASE_PASSWORD=$(secret)
MONGODB_ROOT_PASSWORD=$(secret)
PAYMENT_MONGODB_PASSWORD=$(secret)
MONGODB_KEYFILE=$(openssl rand -base64 384 | tr -d '\n')
TOKEN_SIGNING_KEYS='$(signing_keys)'
ORDER_CLIENT_SECRET=$client_secret
ORDER_CLIENT_SECRET_SHA256=$(printf '%s' "$client_secret" | openssl dgst -sha256 -r | cut -d' ' -f1)
SEED_USERS='$(seed_users "$operator_password")'
OPERATOR_PASSWORD=$operator_password
GRAFANA_PASSWORD=$(secret)
TEXT
mv "$draft" "$file"
echo "made $file"
