#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infra/scripts/smoke.sh [--help] [BASE_URL]

Registers a new customer, logs in, orders one piece of a product in stock, and checks that the order is confirmed and can be read again, at BASE_URL:
http://127.0.0.1:8000, which is Kong's. With grpcurl installed it reads the order over gRPC too, at GRPC_TARGET (HOST:PORT): port 9080 of the same host; when
that is set to nothing, not. Needs curl and openssl. Ends with 0 when all of it worked.
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
base="${1:-http://127.0.0.1:8000}"
base="${base%/}"
host="${base#*://}"
grpc_target="${GRPC_TARGET-${host%%[:/]*}:9080}"
proto="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../proto" && pwd)"

say() { printf '%-12s%s\n' "$1" "$2"; }
fail() {
  say FAILED "$1" >&2
  exit 1
}

uuid() {
  local hex
  hex="$(openssl rand -hex 16)"
  echo "${hex:0:8}-${hex:8:4}-4${hex:13:3}-8${hex:17:3}-${hex:20:12}"
}

# The first field of that name in JSON.
field() { tr ',{}' '\n' | sed -n "s/^ *\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# rpc METHOD BODY [TOKEN]. The token and the body go past the arguments, which every user of the
# machine can see.
rpc() {
  local answer
  answer="$(printf '%s' "$2" | curl --silent --show-error --fail-with-body --max-time 40 --header 'content-type: application/json' \
    --config <(if [[ -n "${3:-}" ]]; then printf 'header = "authorization: Bearer %s"\n' "$3"; fi) --data @- "$base/$1" 2>&1)" || fail "$1: $answer"
  printf '%s' "$answer"
}

email="smoke-$(uuid)@example.com"
password="$(openssl rand -hex 16)"
rpc identity.v1.IdentityService/Register \
  "{\"email\":\"$email\",\"password\":\"$password\",\"displayName\":\"Smoke\",\"requestId\":\"$(uuid)\"}" >/dev/null
say registered "$email"

token="$(rpc identity.v1.IdentityService/Login "{\"email\":\"$email\",\"password\":\"$password\"}" | field accessToken)"
[[ -n "$token" ]] || fail "Login: there is no accessToken in the answer"
say "logged in" "with a token of ${#token} characters"

# In stock, and below what the simulated provider approves (1000.00).
sku="$(rpc order.v1.CatalogService/ListProducts '{"pageSize":100}' | sed 's/{"sku":/\n&/g' |
  grep '"minorUnits":"[0-9]\{1,5\}"' | grep '"stock":"[1-9]' | field sku || true)"
[[ -n "$sku" ]] || fail "ListProducts: there is nothing in stock that a test card could pay for; infra/scripts/seed.sh puts products into the catalog"

order="$(rpc order.v1.OrderService/CreateOrder \
  "{\"requestId\":\"$(uuid)\",\"items\":[{\"sku\":\"$sku\",\"quantity\":1}],\"paymentMethod\":{\"token\":\"tok_visa\"}}" "$token")"
id="$(field id <<<"$order")"
status="$(field status <<<"$order")"
# The answer comes within the caller's deadline; the saga goes on by itself.
for ((attempt = 0; attempt < 30; attempt++)); do
  [[ "$status" == ORDER_STATUS_PENDING ]] || break
  sleep 1
  status="$(rpc order.v1.OrderService/GetOrder "{\"orderId\":\"$id\"}" "$token" | field status)"
done
[[ "$status" == ORDER_STATUS_CONFIRMED ]] || fail "order $id of one $sku is $status"
say ordered "one $sku: $id"

status="$(rpc order.v1.OrderService/GetOrder "{\"orderId\":\"$id\"}" "$token" | field status)"
[[ "$status" == ORDER_STATUS_CONFIRMED ]] || fail "order $id was confirmed and is now $status"
say confirmed "and read again"

if [[ -z "$grpc_target" ]] || ! command -v grpcurl >/dev/null; then
  say "not tried" "gRPC: grpcurl is not installed, or GRPC_TARGET is set to nothing"
  exit
fi
# grpcurl replaces ${TOKEN} itself.
# shellcheck disable=SC2016
answer="$(TOKEN="$token" grpcurl -plaintext -max-time 20 -import-path "$proto" -proto order/v1/order_service.proto -expand-headers \
  -H 'authorization: Bearer ${TOKEN}' -d "{\"orderId\":\"$id\"}" "$grpc_target" order.v1.OrderService/GetOrder 2>&1)" ||
  fail "GetOrder over gRPC at $grpc_target: $answer"
[[ "$(field status <<<"$answer")" == ORDER_STATUS_CONFIRMED ]] || fail "GetOrder over gRPC answered $answer"
say confirmed "over gRPC too"
