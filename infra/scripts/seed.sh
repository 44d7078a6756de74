#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infra/scripts/seed.sh [--help] [IDENTITY_URL] [ORDER_URL]
       infra/scripts/seed.sh --kubernetes [NAMESPACE]

Puts the products of infra/catalog.jsonl into the catalog, as olivia@example.com, whose password is OPERATOR_PASSWORD in the environment or in infra/.env. A
second time it changes nothing. Operators' methods are not for Kong: it asks the services' own ports, http://127.0.0.1:5010 and http://127.0.0.1:5011. Needs
curl.

  --kubernetes  the services of the namespace (tercet by default), by kubectl port-forward; the password is in its Secret tercet-users
TEXT
}

kubernetes=''
case "${1:-}" in
  -h | --help)
    usage
    exit
    ;;
  --kubernetes)
    kubernetes="${2:-tercet}"
    set --
    ;;
  -*)
    usage >&2
    exit 2
    ;;
esac
identity="${1:-http://127.0.0.1:5010}"
order="${2:-http://127.0.0.1:5011}"

scratch="$(mktemp -d)"
forwards=()
stop_forwards() {
  if ((${#forwards[@]} > 0)); then kill "${forwards[@]}" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap stop_forwards EXIT

# forward SERVICE PORT: leaves the local port in `port`.
forward() {
  local said="$scratch/$1" attempt pid
  # The process makes it in its own time.
  : >"$said"
  kubectl --namespace "$kubernetes" port-forward "service/$1" ":$2" >"$said" 2>&1 &
  pid=$!
  forwards+=("$pid")
  for ((attempt = 0; attempt < 100; attempt++)); do
    port="$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$said")"
    if [[ -n "$port" ]]; then return; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "kubectl port-forward service/$1 in namespace $kubernetes did not begin: $(cat "$said")" >&2
  exit 1
}

if [[ -n "$kubernetes" ]]; then
  OPERATOR_PASSWORD="$(kubectl --namespace "$kubernetes" get secret tercet-users --output 'jsonpath={.data.olivia}' | openssl base64 -d -A)" || {
    echo "namespace $kubernetes has no Secret tercet-users: only a development cluster has the user olivia" >&2
    exit 1
  }
  forward identity 5010
  identity="http://127.0.0.1:$port"
  forward order 5011
  order="http://127.0.0.1:$port"
fi
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

# Each line is a request with an id of its own: what an operator changed meanwhile stays.
while IFS= read -r request; do
  printf '%s' "$request" | rpc "$order/order.v1.CatalogService/PutProduct" "$token" >/dev/null
  sku="${request#*\"sku\":\"}"
  echo "in the catalog: ${sku%%\"*}"
done <"$(dirname "${BASH_SOURCE[0]}")/../catalog.jsonl"
