#!/usr/bin/env bash
# Puts the system into a cluster: images, the namespace, under the restricted Pod Security Standard,
# the Secrets, the manifests.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
Usage: infra/scripts/k8s-setup.sh dev|prod [--namespace NAME] [--registry PREFIX] [--tag TAG] [--secrets-only] [--dry-run]

Makes the namespace and the Secrets that are not there yet, with fresh keys and passwords (what is there is left as it is), and deploys.

  dev   Builds the images of this checkout first and gives them to the cluster. Makes Secrets for the databases of
        infra/k8s/overlays/dev too, and for the seeded users; applies that overlay, waits, and seeds the catalog.
        `helm-deploy.sh dev` is another way, with published images: there the chart makes the Secrets.
  prod  Secrets for databases that exist. Their addresses come from
          IDENTITY_DATABASE_URL, ORDER_DATABASE_URL   postgres://user:password@host:5432/database
          PAYMENT_DATABASE_URL                        mongodb://... or postgres://...
          NAME_DATABASE_URL                           of each further service
        Then helm-deploy.sh prod, with images that the images workflow has published and signed.

Options:
  --namespace NAME    tercet by default
  --registry PREFIX   dev: push the images there as PREFIX/order and so on. By default they are loaded into a cluster of kind,
                      k3d or minikube; Docker Desktop, Rancher Desktop and OrbStack have them already
  --tag TAG           of the images; dev: a new one each time; prod: as helm-deploy.sh says
  --secrets-only      makes the namespace and the Secrets, and builds and deploys nothing
  --dry-run           says what would be done, and asks no cluster; secrets are not shown
  --help              this

Needs openssl, and kubectl with a context of the right cluster; dev: docker and curl; prod: helm.
USAGE
}

die() {
  echo "k8s-setup.sh: $*" >&2
  exit 2
}

ENVIRONMENT='' NAMESPACE=tercet REGISTRY='' TAG='' SECRETS_ONLY=false DRY_RUN=false
while (($# > 0)); do
  case $1 in
    dev | prod) ENVIRONMENT=$1 ;;
    --namespace) NAMESPACE=${2:?"--namespace needs a name"} && shift ;;
    --registry) REGISTRY=${2:?"--registry needs a prefix"} && shift ;;
    --tag) TAG=${2:?"--tag needs a tag"} && shift ;;
    --secrets-only) SECRETS_ONLY=true ;;
    --dry-run) DRY_RUN=true ;;
    --help | -h) usage && exit 0 ;;
    *) die "there is no $1; see --help" ;;
  esac
  shift
done
[[ -n $ENVIRONMENT ]] || die "say dev or prod; see --help"
[[ $NAMESPACE =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]] || die "$NAMESPACE is no name of a namespace"
command -v openssl >/dev/null || die "openssl is not installed"
needed=(kubectl)
if ! $SECRETS_ONLY; then if [[ $ENVIRONMENT == dev ]]; then needed+=(docker curl); else needed+=(helm); fi; fi
for tool in "${needed[@]}"; do $DRY_RUN || command -v "$tool" >/dev/null || die "$tool is not installed"; done

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

# The published images, which those that are built here take the place of.
PUBLISHED=ghcr.io/tercet/tercet
image() { echo "${REGISTRY:-tercet}/$1:$TAG"; }

# Gives an image to the cluster.
hand_over() {
  local context
  if [[ -n $REGISTRY ]]; then
    docker push "$1"
    return
  fi
  context="$(kubectl config current-context)"
  case $context in
    kind-*) kind load docker-image --name "${context#kind-}" "$1" ;;
    k3d-*) k3d image import --cluster "${context#k3d-}" "$1" ;;
    minikube) minikube image load "$1" ;;
    docker-desktop | rancher-desktop | orbstack) ;;
    *) die "the cluster of context $context does not have the images of this machine: give --registry" ;;
  esac
}

build() {
  local service file
  for service in "${SERVICES[@]}" console; do
    if $DRY_RUN; then
      echo "would build $(image "$service")"
      continue
    fi
    file=(--file infra/docker/Dockerfile --build-arg "SERVICE=$service")
    [[ $service != console ]] || file=(--file infra/docker/console.Dockerfile)
    docker build "${file[@]}" --tag "$(image "$service")" .
    hand_over "$(image "$service")"
  done
}

# An overlay over the overlay, with this namespace and these images.
deploy_dev() {
  local service
  if $DRY_RUN; then
    echo "would apply infra/k8s/overlays/dev, wait, and seed the catalog"
    return
  fi
  overlay="$(mktemp -d infra/k8s/setup-XXXXXX)"
  trap 'rm -rf "$overlay"' EXIT
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\nresources: [../overlays/dev]\nimages:\n' "$NAMESPACE"
    for service in "${SERVICES[@]}" console; do
      printf '  - { name: %s/%s, newName: %s/%s, newTag: %s }\n' "$PUBLISHED" "$service" "${REGISTRY:-tercet}" "$service" "$TAG"
    done
  } >"$overlay/kustomization.yaml"
  kubectl apply --kustomize "$overlay"
  for service in "${SERVICES[@]}" console kong; do
    kubectl --namespace "$NAMESPACE" rollout status "deployment/$service" --timeout 10m
  done
  infra/scripts/seed.sh --kubernetes "$NAMESPACE"
}

deploy_prod() {
  local options=(--namespace "$NAMESPACE")
  [[ -z $TAG ]] || options+=(--tag "$TAG")
  if $DRY_RUN; then
    echo "would run infra/scripts/helm-deploy.sh prod ${options[*]}"
    return
  fi
  infra/scripts/helm-deploy.sh prod "${options[@]}"
}

SEED_USERS=''
if [[ $ENVIRONMENT == prod ]]; then
  [[ -z $REGISTRY ]] || die "--registry is for dev: production runs images that the images workflow has published"
  prod
else
  TAG="${TAG:-local-$(date -u +%Y%m%d%H%M%S)}"
  $SECRETS_ONLY || build
fi
namespace
[[ $ENVIRONMENT == prod ]] || dev
services
$SECRETS_ONLY || "deploy_$ENVIRONMENT"
