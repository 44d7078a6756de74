#!/usr/bin/env bash
# Creates what the release needs in the cluster: the namespace, under the restricted Pod Security
# Standard, and the Secrets.
set -euo pipefail
umask 077

usage() {
  cat <<'USAGE'
Usage: infra/scripts/k8s-setup.sh dev|prod [--namespace NAME] [--dry-run]

Makes the namespace and the Secrets that are not there yet, with fresh keys and passwords. What is there is left as it is.

  dev   Secrets for the databases of infra/k8s/overlays/dev too, and for the seeded users.
        Not needed before `helm-deploy.sh dev`: there the chart makes its own.
  prod  Secrets for databases that exist. Their addresses come from
          IDENTITY_DATABASE_URL, ORDER_DATABASE_URL   postgres://user:password@host:5432/database
          PAYMENT_DATABASE_URL                        mongodb://... or postgres://...
          NAME_DATABASE_URL                           of each further service

Options:
  --namespace NAME   tercet by default
  --dry-run          says what would be made, and asks no cluster; secrets are not shown
  --help             this

Needs openssl, and kubectl with a context of the right cluster.
USAGE
}

die() {
  echo "k8s-setup.sh: $*" >&2
  exit 2
}

ENVIRONMENT='' NAMESPACE=tercet DRY_RUN=false
while (($# > 0)); do
  case $1 in
    dev | prod) ENVIRONMENT=$1 ;;
    --namespace) NAMESPACE=${2:?"--namespace needs a name"} && shift ;;
    --dry-run) DRY_RUN=true ;;
    --help | -h) usage && exit 0 ;;
    *) die "there is no $1; see --help" ;;
  esac
  shift
done
[[ -n $ENVIRONMENT ]] || die "say dev or prod; see --help"
[[ $NAMESPACE =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]] || die "$NAMESPACE is no name of a namespace"
command -v openssl >/dev/null || die "openssl is not installed"
$DRY_RUN || command -v kubectl >/dev/null || die "kubectl is not installed"

# Each has a database: Payment's is MongoDB, and PostgreSQL is the others'.
SERVICES=(identity order payment)

password() { openssl rand -hex 24; }

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# A JSON Web Key Set with one private ES256 key. In DER (RFC 5915) the numbers of a P-256 key are at
# fixed offsets.
signing_keys() {
  local der
  der="$(mktemp)"
  openssl ecparam -name prime256v1 -genkey -noout -outform DER >"$der"
  [[ $(wc -c <"$der") -eq 121 ]] || die "openssl made something else than a P-256 key"
  part() { tail -c "+$(($1 + 1))" "$der" | head -c 32 | base64url; }
  local d x y kid
  d="$(part 7)" x="$(part 57)" y="$(part 89)"
  rm -f "$der"
  # Its thumbprint (RFC 7638).
  kid="$(printf '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' "$x" "$y" | openssl dgst -sha256 -binary | base64url)"
  printf '{"keys":[{"kty":"EC","crv":"P-256","kid":"%s","x":"%s","y":"%s","d":"%s"}]}' "$kid" "$x" "$y" "$d"
}

has_secret() { ! $DRY_RUN && kubectl --namespace "$NAMESPACE" get secret "$1" >/dev/null 2>&1; }

# One value of an existing Secret.
value_of() { kubectl --namespace "$NAMESPACE" get secret "$1" --output "jsonpath={.data.$2}" | openssl base64 -d -A; }

# secret NAME KEY=VALUE...: through standard input, so that no value is in a list of processes.
secret() {
  local name=$1 pair
  shift
  if has_secret "$name"; then
    echo "secret $name is there: left as it is"
    return
  fi
  if $DRY_RUN; then
    echo "would make secret $name: ${*%%=*}"
    return
  fi
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\n  labels:\n    app.kubernetes.io/part-of: tercet\ndata:\n' "$name" "$NAMESPACE"
    for pair in "$@"; do printf '  %s: %s\n' "${pair%%=*}" "$(printf %s "${pair#*=}" | openssl base64 -A)"; done
  } | kubectl create --filename - >/dev/null # which never overwrites
  echo "made secret $name"
}

namespace() {
  local level labels=''
  for level in enforce audit warn; do labels+="    pod-security.kubernetes.io/$level: restricted"$'\n'; done
  if $DRY_RUN; then
    printf 'would make namespace %s, with the labels\n%s' "$NAMESPACE" "$labels"
    return
  fi
  printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels:\n%s' "$NAMESPACE" "$labels" | kubectl apply --filename - >/dev/null
  echo "namespace $NAMESPACE is under the restricted Pod Security Standard"
}

# A database of dev: its password, from the Secret that is there or fresh.
database_password() {
  if has_secret "$1"; then value_of "$1" "$2"; else password; fi
}

# seed_user NAME ROLE PASSWORD
seed_user() { printf '{"email":"%s@example.com","displayName":"%s","roles":["%s"],"password":"%s"}' "$1" "$1" "$2" "$3"; }

dev() {
  local name password url alice olivia admin
  for name in "${SERVICES[@]}"; do
    if [[ $name == payment ]]; then
      password="$(database_password payment-mongodb MONGO_INITDB_ROOT_PASSWORD)"
      secret payment-mongodb MONGO_INITDB_ROOT_USERNAME=payment "MONGO_INITDB_ROOT_PASSWORD=$password"
      url="mongodb://payment:$password@payment-mongodb:27017/payment?authSource=admin"
    else
      password="$(database_password "$name-postgres" POSTGRES_PASSWORD)"
      secret "$name-postgres" "POSTGRES_USER=$name" "POSTGRES_DB=$name" "POSTGRES_PASSWORD=$password"
      url="postgres://$name:$password@$name-postgres:5432/$name"
    fi
    printf -v "${name^^}_DATABASE_URL" %s "$url"
  done
  alice="$(password)" olivia="$(password)" admin="$(password)"
  secret tercet-users "alice=$alice" "olivia=$olivia" "admin=$admin"
  if has_secret tercet-users; then
    alice="$(value_of tercet-users alice)" olivia="$(value_of tercet-users olivia)" admin="$(value_of tercet-users admin)"
  fi
  SEED_USERS="[$(seed_user alice customer "$alice"),$(seed_user olivia operator "$olivia"),$(seed_user admin admin "$admin")]"
}

prod() {
  local name
  for name in "${SERVICES[@]}"; do
    name="${name^^}_DATABASE_URL"
    [[ -n ${!name:-} ]] || $DRY_RUN || die "$name is not set; see --help"
  done
}

services() {
  local client hash keys name url
  if has_secret order; then
    client="$(value_of order SERVICE_CLIENT_SECRET)"
  elif has_secret identity; then
    die "secret order is gone, and secret identity knows what was in it by a hash only: restore it, or make one by hand and put its hash into SERVICE_CLIENTS of secret identity"
  else
    client="$(password)"
  fi
  keys="$(signing_keys)"
  hash="$(printf %s "$client" | openssl dgst -sha256 -r | cut -d ' ' -f 1)"
  secret order "DATABASE_URL=${ORDER_DATABASE_URL:-}" "SERVICE_CLIENT_SECRET=$client"
  secret identity "DATABASE_URL=${IDENTITY_DATABASE_URL:-}" "TOKEN_SIGNING_KEYS=$keys" \
    "SERVICE_CLIENTS=[{\"id\":\"order\",\"secretHash\":\"$hash\",\"audiences\":[\"payment\"]}]" ${SEED_USERS:+"SEED_USERS=$SEED_USERS"}
  for name in "${SERVICES[@]}"; do
    url="${name^^}_DATABASE_URL"
    [[ $name == identity || $name == order ]] || secret "$name" "DATABASE_URL=${!url:-}"
  done
}

SEED_USERS=''
[[ $ENVIRONMENT == dev ]] || prod
namespace
[[ $ENVIRONMENT == prod ]] || dev
services
