# shellcheck shell=bash disable=SC2034,SC2154
# The stages of ./test: what each needs on a machine, which files it does not read, and how it is run. A stage prints
# "N passed, N failed" somewhere near its end. Sourced by ./test.

# What every change needs, then what --all adds. A lane is a list of stages that run one after the other; lanes run side by
# side, since one of them compiles and the other mostly waits. Those that measure how long something takes run alone, last.
core_compile=(format lint rust readme)
core_wait=(workflows valkey stack import schemathesis browser)
all_compile=(template nix images)
all_wait=(dependencies terraform deploy)
all_alone=(rollout bench)
# These start the program that `rust` has built; without it they would build it themselves, at the same time.
after_rust=(valkey import schemathesis browser)

# Programs by stage. A program is found on PATH or where its package hides it; package_of says what installs it.
declare -A programs=(
  [format]=""
  [lint]="cc"
  [rust]="cc initdb valkey-server nginx nix-instantiate python3 pgbouncer promtool faketime"
  [readme]="cc curl python3 git"
  [dependencies]="cc"
  [advisories]="cc"
  [workflows]="ensurepip shellcheck git skopeo"
  [valkey]="valkey-server python3"
  [stack]="ensurepip nix-instantiate"
  [import]="cc ensurepip initdb valkey-server"
  [schemathesis]="cc ensurepip initdb valkey-server psql"
  [browser]="cc npm initdb valkey-server"
  [template]="cc git python3"
  [nix]="cc nix-instantiate clang ld.lld llvm-ar make patchelf python3 git curl"
  [images]="cc nix-instantiate clang ld.lld llvm-ar make patchelf python3 git curl podman runc catatonit skopeo qemu-aarch64-static"
  [terraform]="ensurepip nix-instantiate"
  [deploy]="ensurepip nix-instantiate shellcheck shfmt jq git curl zstd skopeo"
  [rollout]="cc initdb valkey-server nginx nix-instantiate python3"
  [bench]="cc wrk nginx initdb valkey-server nix-instantiate python3"
  [soak]="cc initdb valkey-server pgbouncer faketime"
)

package_of() { # PROGRAM
  case $1 in
    cc) echo gcc libc6-dev ;;
    initdb) echo postgresql ;;
    psql) echo postgresql-client ;;
    valkey-server) echo redis-server ;;
    nginx) echo nginx-light ;;
    nix-instantiate) echo nix-bin ;;
    ensurepip) echo python3 python3-venv ;;
    npm) echo nodejs npm ;;
    promtool) echo prometheus ;;
    ld.lld) echo lld ;;
    llvm-ar) echo llvm ;;
    qemu-aarch64-static) echo qemu-user-static ;;
    *) echo "$1" ;;
  esac
}

has() { # PROGRAM
  case $1 in
    ensurepip) python3 -c 'import ensurepip' 2>/dev/null ;;
    valkey-server) on_machine valkey-server || on_machine redis-server ;;
    qemu-aarch64-static) [ "$(uname -m)" = aarch64 ] || on_machine "$1" ;;
    *) on_machine "$1" ;;
  esac
}

on_machine() { # PROGRAM
  command -v "$1" >/dev/null || compgen -G "/usr/sbin/$1" >/dev/null ||
    compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null || compgen -G "/usr/libexec/podman/$1" >/dev/null
}

# What a stage does not read, as git pathspecs: what passed is not run again while nothing else changed. Documents are read
# by the stages that quote them.
ignored_by() { # STAGE
  local documents=':!*.md :!LICENSE' readmes=':!README.md :!*/README.md :!CHANGELOG.md :!CONTRIBUTING.md :!LICENSE'
  local infrastructure=':!terraform :!tests/terraform :!tests/deploy :!.github'
  local of_the_service=':!web :!tests/service :!tests/soak :!tests/browser :!tests/schemathesis :!fuzz'
  case $1 in
    format) echo "$documents $infrastructure :!nix :!web :!bench" ;;
    lint) echo "$documents $infrastructure :!nix :!bench :!tests/browser :!tests/schemathesis :!tests/rollout :!tests/images :!tests/nix" ;;
    # Their tests hold the server to docs/.
    rust | soak) echo "$readmes $infrastructure :!bench :!tests/browser :!tests/schemathesis :!tests/rollout :!tests/images :!tests/nix" ;;
    valkey) echo "$documents $infrastructure :!bench :!src :!web :!tests/service :!tests/browser" ;;
    import | schemathesis | rollout) echo "$documents $infrastructure :!bench :!tests/service :!tests/soak :!tests/images :!tests/nix" ;;
    # It compiles what docs/API.md shows.
    browser) echo "$infrastructure :!bench :!tests/service :!tests/soak :!tests/images :!tests/nix" ;;
    # Their tests look up settings and timeouts in the sources.
    stack | terraform | deploy) echo "$of_the_service :!bench :!tests/rollout" ;;
    nix | images) echo "$infrastructure :!bench" ;;
    *) ;;
  esac
}

stage_format() { cargo fmt --all --check && echo "1 passed, 0 failed"; }

stage_lint() { cargo clippy --workspace --all-targets --locked -- -D warnings && echo "1 passed, 0 failed"; }

# The names tell what ran where: on_postgres_and_valkey is real PostgreSQL and Valkey (or Redis), started for the run.
stage_rust() {
  local status=0 runner=(cargo test --workspace --locked --no-fail-fast)
  if cargo nextest --version >/dev/null 2>&1; then
    runner=(cargo nextest run --workspace --locked --no-fail-fast --status-level pass)
  fi
  tests/services run -- "${runner[@]}" 2>&1 | tee "$logs/rust-tests.log" || status=1
  count_rust_tests
  return "$status"
}

# Not by nextest, which would end a test that takes so long.
stage_soak() { cargo test --locked --test soak -- --ignored --nocapture && echo "1 passed, 0 failed"; }

count_rust_tests() {
  local count='{ for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i - 1); if ($i ~ /^failed/) f += $(i - 1) } }'
  local end='END { print p + 0 " passed, " f + 0 " failed" }'
  printf 'on real PostgreSQL and Valkey (%s, %s): %s tests by name\n' \
    "$(/usr/lib/postgresql/*/bin/postgres --version 2>/dev/null | head -n 1)" \
    "$({ valkey-server --version || redis-server --version; } 2>/dev/null | cut -d' ' -f1-3)" \
    "$(grep -cE '(PASS|FAIL|^test ).*on_postgres_and_valkey' "$logs/rust-tests.log")"
  grep -E 'Summary \[|^test result' "$logs/rust-tests.log" | awk "$count $end"
}

stage_readme() { tests/readme; }
stage_dependencies() { tests/dependencies; }
# By name: it needs the database on github.com.
stage_advisories() { tests/dependencies --advisories; }
stage_workflows() { tests/workflows/run; }
stage_valkey() { tests/valkey; }
stage_stack() { tests/terraform/run --without-lives; }
stage_import() { tests/import/run; }
stage_schemathesis() { tests/schemathesis/run; }
stage_template() { tests/template; }
stage_nix() { tests/nix/run; }
stage_images() { tests/images/run; }
stage_terraform() { tests/terraform/run; }
stage_deploy() { tests/deploy/run; }
stage_rollout() { tests/rollout/run; }
stage_bench() { bench/tests/run; }

stage_browser() {
  local status=0
  tests/browser/run 2>&1 | tee "$logs/browser-tests.log" || status=1
  # What node's test runner says at its end: "pass 12" and "fail 0", each behind a sign.
  awk '$2 == "pass" { p = $3 } $2 == "fail" { f = $3 } END { print p + 0 " passed, " f + 0 " failed" }' \
    "$logs/browser-tests.log"
  return "$status"
}
