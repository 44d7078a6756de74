#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infra/scripts/compose-up.sh [--help] [lite|full] [OPTION OF docker compose up]...

Builds the images, starts the system with Docker Compose, waits until it is healthy, and puts a few products into its catalog.

  lite   the three services, the console, PostgreSQL, MongoDB and Kong: about 3 GB of memory at most; the default
  full   besides, traces, metrics and logs: OpenTelemetry collector, Jaeger, Prometheus, Alertmanager, Loki and Grafana

Secrets are in infra/.env, which is made when there is none. Then infra/scripts/smoke.sh places an order through Kong.
Needs Docker Engine 25.0 and Compose 2.20.2, or newer, curl and openssl.
To stop:               docker compose -f infra/compose.yaml --profile full down
To lose all data too:  docker compose -f infra/compose.yaml --profile full down --volumes
TEXT
}

profile=lite
case "${1:-}" in
  -h | --help)
    usage
    exit
    ;;
  lite | full)
    profile="$1"
    shift
    ;;
  "" | -*) ;;
  *)
    usage >&2
    exit 2
    ;;
esac

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
docker compose version >/dev/null 2>&1 || {
  echo "Docker with its compose plugin is not installed; without Docker, npx -y pnpm start runs the system too" >&2
  exit 1
}
# at_least WHAT NEEDED VERSION. A version without a number, as of a build of one's own, is accepted.
at_least() {
  local version=${3#v}
  [[ $version =~ ^[0-9] ]] || return 0
  [[ "$(printf '%s\n' "$2" "$version" | sort --version-sort | head -n 1)" == "$2" ]] || {
    echo "infra/compose.yaml needs $1 $2 or newer, for start_interval; this is $version" >&2
    exit 1
  }
}
at_least "Docker Compose" 2.20.2 "$(docker compose version --short)"
engine="$(docker version --format '{{.Server.Version}}')" || {
  echo "Docker is installed, but its engine does not respond: start it" >&2
  exit 1
}
at_least "Docker Engine" 25.0 "$engine"
"$scripts/compose-env.sh"
if [[ "$profile" == full ]]; then export TELEMETRY=1; fi
docker compose --file "$scripts/../compose.yaml" --profile "$profile" up --build --detach --wait "$@"
"$scripts/seed.sh"

cat <<TEXT

Tercet is running
  Console      http://127.0.0.1:8000
  Kong         http://127.0.0.1:8000 for HTTP, 127.0.0.1:9080 for gRPC
TEXT
if [[ "$profile" == full ]]; then
  # From the environment or infra/.env, as Compose reads it.
  config="${ALERTMANAGER_CONFIG:-$(sed -n 's/^ALERTMANAGER_CONFIG=//p' "$scripts/../.env")}"
  alerts="no one is notified of an alert: set ALERTMANAGER_CONFIG (infra/alertmanager)"
  if [[ -n "$config" ]]; then alerts="sends alerts as infra/alertmanager/$config says"; fi
  cat <<TEXT
  Grafana      http://127.0.0.1:3000, as admin; GRAFANA_PASSWORD in infra/.env
  Jaeger       http://127.0.0.1:16686
  Prometheus   http://127.0.0.1:9090
  Alertmanager http://127.0.0.1:9093; $alerts
TEXT
fi
echo "Place an order: infra/scripts/smoke.sh"
