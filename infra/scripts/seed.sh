#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infra/scripts/seed.sh [--help] [IDENTITY_URL] [ORDER_URL]

Puts a few products into the catalog, as olivia@example.com, whose password is OPERATOR_PASSWORD in the environment or in infra/.env. A second time it changes
nothing. Operators' methods are not for Kong: it asks the services' own ports, http://127.0.0.1:5010 and http://127.0.0.1:5011. Needs curl.
TEXT
}

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
identity="${1:-http://127.0.0.1:5010}"
order="${2:-http://127.0.0.1:5011}"
env_file="$(dirname "${BASH_SOURCE[0]}")/../.env"
password="${OPERATOR_PASSWORD:-$(sed -n 's/^OPERATOR_PASSWORD=//p' "$env_file" 2>/dev/null || true)}"
if [[ -z "$password" ]]; then
  echo "OPERATOR_PASSWORD is not set, and not in infra/.env" >&2
  exit 1
fi

# The body goes through standard input: arguments of a process can be seen by every user of the
# machine.
rpc() {
  local url=$1 token=${2:-}
  curl --silent --show-error --fail-with-body --max-time 30 --header 'content-type: application/json' \
    --config <(if [[ -n "$token" ]]; then printf 'header = "authorization: Bearer %s"\n' "$token"; fi) --data @- "$url"
}

answer="$(printf '{"email":"olivia@example.com","password":"%s"}' "$password" | rpc "$identity/identity.v1.IdentityService/Login")" || {
  echo "olivia@example.com could not log in at $identity: $answer" >&2
  exit 1
}
token="${answer#*\"accessToken\":\"}"
token="${token%%\"*}"

# One request id for each product: what an operator changed meanwhile stays.
while IFS='|' read -r request sku name cents stock; do
  printf '{"requestId":"%s","product":{"sku":"%s","name":"%s","stock":"%s","price":{"currencyCode":"EUR","minorUnits":"%s"}}}' \
    "$request" "$sku" "$name" "$stock" "$cents" | rpc "$order/order.v1.CatalogService/PutProduct" "$token" >/dev/null
  echo "in the catalog: $sku"
done <<'PRODUCTS'
0198f0a0-0000-7000-8000-000000000001|MUG-BLUE|Blue mug|1250|500
0198f0a0-0000-7000-8000-000000000002|COFFEE-1KG|Coffee beans, 1 kg|2890|800
0198f0a0-0000-7000-8000-000000000003|KETTLE|Gooseneck kettle|6450|150
PRODUCTS
