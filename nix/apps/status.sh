#!/usr/bin/env bash
# What runs now, and whether it is what was asked for.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#status -- [--env NAME]

Says what runs in the environment (production unless given), how many tasks of it, what it costs a month, and whether it is
what was deployed last.

Ends with 0: what was deployed last runs. 1: it does not, or something is on its way. 2: wrong command line. 3: something
is missing.
end
}

own_option() { no_such_option "$1"; }

parse_options "$@"
check_surroundings aws git jq terraform
end_on_problems
prepare_terraform

requested=$(stack_output '.deployment.value.task_definition // empty')
[ -n "$requested" ] || die "$exit_failed" "$environment is not deployed" "nix run .#deploy -- --env $environment"
service=$(describe_service)
running=$(running_release <<<"$service")
say_where
release=$(release_of "${running% *}")
row runs "$(short_commit "$(jq -r 'if .commit == "" then "unknown" else .commit end' <<<"$release")"), $(revision_of "${running% *}"), since $(jq -r '.registered | strftime("%Y-%m-%d %H:%M")' <<<"$release") UTC"
row digest "$(jq -r .images.app <<<"$release")"
row tasks "$(ecs_says 'primary | "\(.runningCount) of \(.desiredCount) running" + (if (.failedTasks // 0) > 0 then ", \(.failedTasks) failed" else "" end) + (if .desiredCount == 0 then ", asleep" else "" end)' <<<"$service")"
row URL "$(stack_output .url.value)"
row cost "$(stack_output .monthly_cost.value | monthly_cost)"
row dashboard "$(stack_output .dashboard_url.value)"
if [ "$running" = "$requested COMPLETED" ]; then exit 0; fi
if [ "${running% *}" = "$requested" ]; then
  die "$exit_failed" "it has not taken over yet (${running#* })" "nix run .#deploy -- --env $environment follows it"
fi
die "$exit_failed" "$(revision_of "$requested") was deployed last and does not run: ECS went back, or somebody changed the service" \
  "nix run .#deploy tries it again, nix run .#rollback makes the stack agree with what runs"
