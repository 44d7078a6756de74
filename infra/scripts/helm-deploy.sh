#!/usr/bin/env bash
# Installs or upgrades charts/tercet, waits until it is ready, rolls back if it does not become
# ready, and runs its tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
Usage: infra/scripts/helm-deploy.sh dev|prod [--namespace NAME] [--release NAME] [--tag TAG] [--timeout TIME] [--no-test] [--dry-run] [-- HELM OPTION...]

Installs or upgrades charts/tercet with charts/tercet/values-dev.yaml or values-prod.yaml, waits until everything is ready,
goes back to what was there if that fails, and runs `helm test`. dev: seeds the catalog too (infra/scripts/seed.sh).

Options:
  --namespace NAME   tercet by default; infra/scripts/k8s-setup.sh makes it (for dev it is made here when it is missing)
  --release NAME     tercet by default
  --tag TAG          of the services' images; by default the commit that is checked out, for which
                     the images workflow has published images when it is on main; outside of a
                     checkout the chart's appVersion
  --timeout TIME     how long each step may take: 10m
  --no-test          leaves out `helm test`
  --dry-run          renders the manifests to standard output, and asks no cluster
  --help             this

What stands after -- goes to helm: -- --set global.images.from=registry.example/shop

Needs helm, and a context of the right cluster; dev: kubectl, curl and openssl too.
USAGE
}

die() {
  echo "helm-deploy.sh: $*" >&2
  exit 2
}

ENVIRONMENT='' NAMESPACE=tercet RELEASE=tercet TAG='' TIMEOUT=10m TEST=true DRY_RUN=false
while (($# > 0)); do
  case $1 in
    dev | prod) ENVIRONMENT=$1 ;;
    --namespace) NAMESPACE=${2:?"--namespace needs a name"} && shift ;;
    --release) RELEASE=${2:?"--release needs a name"} && shift ;;
    --tag) TAG=${2:?"--tag needs a tag"} && shift ;;
    --timeout) TIMEOUT=${2:?"--timeout needs a time"} && shift ;;
    --no-test) TEST=false ;;
    --dry-run) DRY_RUN=true ;;
    --help | -h) usage && exit 0 ;;
    --) shift && break ;;
    *) die "there is no $1; see --help" ;;
  esac
  shift
done
[[ -n $ENVIRONMENT ]] || die "say dev or prod; see --help"
command -v helm >/dev/null || die "helm is not installed"

# Main and releases are published under their commit.
TAG="${TAG:-$(git rev-parse --verify --quiet HEAD 2>/dev/null || true)}"

CHART=charts/tercet
OPTIONS=(--namespace "$NAMESPACE" --values "$CHART/values-$ENVIRONMENT.yaml")
[[ -z $TAG ]] || OPTIONS+=(--set-string "global.images.tag=$TAG")
OPTIONS+=("$@")

# Packs charts/service from the folder next to it; needs no network.
helm dependency build --skip-refresh "$CHART" >&2

if $DRY_RUN; then
  helm template "$RELEASE" "$CHART" "${OPTIONS[@]}"
  exit
fi

[[ $ENVIRONMENT == prod ]] || OPTIONS+=(--create-namespace)
helm upgrade "$RELEASE" "$CHART" --install --atomic --wait --wait-for-jobs --timeout "$TIMEOUT" "${OPTIONS[@]}"
# The chart's databases are empty. The catalog is the one of every other way to start.
if [[ $ENVIRONMENT == dev ]]; then infra/scripts/seed.sh --kubernetes "$NAMESPACE"; fi
if $TEST; then helm test "$RELEASE" --namespace "$NAMESPACE" --timeout "$TIMEOUT" --logs; fi
