# shellcheck shell=bash
# The whole stack as processes of this machine, with the programs, the configuration and the entry points of the images:
# PostgreSQL, Valkey, and the server behind nginx. One view of all logs; Ctrl-C stops everything. State is in ./.dev and
# outlives the run; remove that folder to begin again.
#
#   nix run .#dev
#
# Needs on PATH: slipway, postgres-entrypoint, PostgreSQL's programs, valkey-server, nginx. Needs in the environment, which
# nix/apps/default.nix sets: DEV_NGINX_CONF, DEV_VALKEY_CONF, DEV_POSTGRES_CONF (a folder).
#
# Ports, if the usual ones are taken: DEV_PORT, DEV_POSTGRES_PORT, DEV_VALKEY_PORT.
set -euo pipefail
set -m

port=${DEV_PORT:-8080}
postgres_port=${DEV_POSTGRES_PORT:-5432}
valkey_port=${DEV_VALKEY_PORT:-6379}
state=$PWD/.dev

die() { printf 'dev: %s\n' "$*" >&2; exit 1; }

if [ "${1-}" = --help ]; then
  printf '%s\n' "Runs PostgreSQL, Valkey, nginx and the server from ./.dev until Ctrl-C." \
    "DEV_PORT ($port), DEV_POSTGRES_PORT ($postgres_port) and DEV_VALKEY_PORT ($valkey_port) choose the ports."
  exit
fi
[ "$(id -u)" != 0 ] || die "PostgreSQL refuses to run as root: use an ordinary user"

# A secret that is made once and kept, readable by this user only.
secret() { # NAME
  local file=$state/secrets/$1
  [ -s "$file" ] || (umask 077 && head -c 32 /dev/urandom | base64 | tr -d '/+=\n' >"$file")
  cat "$file"
}

# Starts a program whose lines are shown with its name in front. Each is in a process group of its own (set -m), so that
# Ctrl-C reaches this script alone, which then stops them in order.
start() { # NAME COMMAND...
  local name=$1
  shift
  "$@" > >(trap '' INT && exec sed -u "s/^/$(printf '%-9s' "$name")| /") 2>&1 &
  pids+=($!)
}

await() { # NAME COMMAND...: until COMMAND succeeds, or the program of that name ends
  local name=$1 pid=${pids[-1]}
  shift
  until "$@" >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null || die "$name did not start; its last lines are above"
    sleep 0.2
  done
}

# In the opposite order of the start: nobody loses what it needs while it still works. SIGINT is PostgreSQL's fast
# shutdown.
# shellcheck disable=SC2317,SC2329 # called by the trap
stop() {
  local signals=(INT TERM TERM) index
  trap - EXIT INT TERM
  for ((index = ${#pids[@]} - 1; index >= 0; index--)); do
    kill -s "${signals[index]}" "${pids[index]}" 2>/dev/null || true
    wait "${pids[index]}" 2>/dev/null || true
  done
}

mkdir -p "$state/secrets" "$state/postgres" "$state/run/postgresql" "$state/run/slipway"
password=$(secret postgres-password)
jwt_secret=$(secret jwt-secret)
pids=()
trap stop EXIT
trap 'exit 0' INT TERM

start postgres env PGDATA="$state/postgres/data" POSTGRES_PASSWORD="$password" POSTGRES_CONFIG_DIR="$DEV_POSTGRES_CONF" \
  LOG_FORMAT=text postgres-entrypoint -p "$postgres_port" -k "$state/run/postgresql"
await postgres pg_isready -q -h 127.0.0.1 -p "$postgres_port"

start valkey valkey-server "$DEV_VALKEY_CONF" --port "$valkey_port" --dir "$state/run"

sed "s/listen 127\.0\.0\.1:8080/listen 127.0.0.1:$port/" "$DEV_NGINX_CONF" >"$state/nginx.conf"
start app env SLIPWAY_ENV=development LOG_FORMAT=text JWT_SECRET="$jwt_secret" METRICS_LISTEN=off \
  DATABASE_URL="postgres://slipway:$password@127.0.0.1:$postgres_port/slipway" \
  REDIS_URL="redis://127.0.0.1:$valkey_port" SLIPWAY_NGINX_CONFIG="$state/nginx.conf" \
  SLIPWAY_RUNTIME_DIR="$state/run/slipway" slipway container
await app slipway healthcheck --ready --address "127.0.0.1:$port"
printf 'dev: ready on http://127.0.0.1:%s (Ctrl-C stops everything, state is in .dev)\n' "$port"

wait -n "${pids[@]}" || true
die "one of the programs ended; its last lines are above"
