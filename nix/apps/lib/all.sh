# shellcheck shell=bash
# Everything that the commands share. Sourcing this does nothing but define functions.

lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command=$(basename "$0" .sh)

# shellcheck source=lib/say.sh
. "$lib/say.sh"
# shellcheck source=lib/options.sh
. "$lib/options.sh"
# shellcheck source=lib/format.sh
. "$lib/format.sh"
# shellcheck source=lib/project.sh
. "$lib/project.sh"
# shellcheck source=lib/preflight.sh
. "$lib/preflight.sh"
# shellcheck source=lib/account.sh
. "$lib/account.sh"
# shellcheck source=lib/images.sh
. "$lib/images.sh"
# shellcheck source=lib/registry.sh
. "$lib/registry.sh"
# shellcheck source=lib/stack.sh
. "$lib/stack.sh"
# shellcheck source=lib/cloudwatch.sh
. "$lib/cloudwatch.sh"
# shellcheck source=lib/rollout.sh
. "$lib/rollout.sh"
# shellcheck source=lib/releases.sh
. "$lib/releases.sh"
# shellcheck source=lib/capacity.sh
. "$lib/capacity.sh"
# shellcheck source=lib/smoke.sh
. "$lib/smoke.sh"
# shellcheck source=lib/migrate.sh
. "$lib/migrate.sh"
# shellcheck source=lib/deploy.sh
. "$lib/deploy.sh"
