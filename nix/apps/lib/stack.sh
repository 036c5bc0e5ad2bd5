# shellcheck shell=bash
# Terraform: its runs, its plans, and what it says. folder is the one that it runs in, from the top of the checkout.

folder=terraform

terraform_here() { terraform "-chdir=$root/$folder" "$@"; }

# Reads Terraform's events as JSON, one a line; lines that are none (a crash) are left out.
events() { jq --unbuffered -rR -L "$lib" "include \"terraform\"; fromjson? | $1"; } # FILTER

# Runs Terraform and keeps its events in $scratch/events; prints what FILTER makes of them meanwhile. Ctrl-C reaches
# Terraform, which then ends in order, and not the programs that read from it: without them it would be killed (SIGPIPE).
run_terraform() { # FILTER VERB ARGUMENT...
  local filter=$1 verb=$2
  shift 2
  terraform_here "$verb" -input=false -json "$@" 2>"$scratch/terraform-errors" |
    (trap '' INT TERM && tee "$scratch/events" | events "$filter | \"  \" + .")
}

# Each environment has a data folder of its own, so that a run for one can never meet the backend of another. Settings of
# the shell that would change what Terraform does are removed.
use_data_folder() {
  local variable
  for variable in $(compgen -e | grep -E '^TF_(VAR_|CLI_ARGS|WORKSPACE)' || true); do unset "$variable"; done
  export TF_DATA_DIR=$root/terraform/.terraform/$environment TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
}

# The backend and the providers, unless this checkout has them already.
prepare_terraform() {
  local wanted
  use_data_folder
  wanted=$(printf '%s\n' "$bucket" "$region" && cat "$root/$folder/.terraform.lock.hcl" "$root/$folder/versions.tf")
  [ "$wanted" != "$(cat "$TF_DATA_DIR/prepared" 2>/dev/null)" ] || return 0
  line "preparing Terraform, once for this checkout and environment"
  terraform_here init -reconfigure -input=false -no-color -lockfile=readonly "-backend-config=bucket=$bucket" \
    "-backend-config=region=$region" "-backend-config=key=$environment/terraform.tfstate" >"$scratch/init" 2>&1 ||
    die "$exit_failed" "terraform init failed: $(grep -v '^$' "$scratch/init" | tail -n 15)"
  printf '%s\n' "$wanted" >"$TF_DATA_DIR/prepared"
}

# The settings of a run. Digests are no secret, and no secret is ever among the arguments.
stack_arguments() { # DIGESTS
  printf '%s\n' "-var-file=$settings" "-var=environment=$environment" "-var=images=$1"
}

# Plans the environment with these images. More arguments go to Terraform.
plan_stack() { # DIGESTS [ARGUMENT]...
  local arguments
  mapfile -t arguments < <(stack_arguments "$1")
  plan_terraform "${arguments[@]}" "${@:2}"
}

# Sets changed to yes or no, and plan to the file to apply.
plan_terraform() { # ARGUMENT...
  local status=0
  plan=$scratch/plan
  run_terraform empty plan -detailed-exitcode "-out=$plan" "$@" || status=$?
  case $status in
    0) changed=no ;;
    2) changed=yes ;;
    *) end_on_terraform_error "The plan failed, and nothing was changed" ;;
  esac
}

describe_changes() {
  jq -nrR -L "$lib" 'include "terraform"; [inputs | fromjson?] | changes' <"$scratch/events" | indent
  line "$(events summary <"$scratch/events")"
}

# What a plan of the stack changes, and the cost: line by line when it is new or another one.
describe_plan() {
  local before after costs=$scratch/costs
  if [ "$changed" = no ]; then
    line "nothing changes"
  else
    describe_changes
  fi
  before=$(stack_output '.monthly_cost.value.total // empty')
  terraform_here show -json "$plan" >"$scratch/plan.json"
  jq '.planned_values.outputs.monthly_cost.value' "$scratch/plan.json" >"$costs"
  after=$(jq -r '.total // empty' "$costs")
  if [ "$before" != "$after" ]; then
    jq -r '.lines | to_entries | sort_by(.value | tonumber? // 0) | reverse[]
      | (.value as $value | try ($value | tonumber | "$" + $value) catch "unknown") as $price | "\(" " * (8 - ($price | length)))\($price)  \(.key)"' "$costs" | indent
  fi
  line "$(cost_change "$before" "$after")"
}

apply_plan() { run_terraform progress apply "$plan"; }

# Asks before a plan is applied. --yes agrees to everything but to losing data.
confirm_plan() { # YES-OR-NO
  local lost
  lost=$(events lost_data <"$scratch/events" | paste -sd ' ' -)
  if [ -n "$lost" ]; then
    line "THIS DESTROYS DATA: $lost"
    ask_for "$environment" "The data in it will be gone. --yes does not agree to that."
  elif [ "$1" = no ]; then
    ask_for yes "Apply this to $environment?"
  fi
}

# Ends the command with what Terraform said, told apart from a lock that somebody else holds.
end_on_terraform_error() { # MESSAGE
  local said holder
  said=$(events errors <"$scratch/events")
  if [[ $said == *"acquiring the state lock"* ]]; then
    holder=$(aws s3 cp "$(lock_file)" - 2>/dev/null) || holder=''
    [ -z "$holder" ] || die "$exit_locked" "$(describe_lock "$holder")"
    die "$exit_locked" "somebody else was changing $environment at this moment; run it again"
  fi
  [ -n "$said" ] || said=$(last_line <"$scratch/terraform-errors")
  die "$exit_failed" "$1:"$'\n'"$(indent <<<"$said")"
}

# One of the stack's outputs by a jq filter; empty when there is no stack yet. Asks once and after each apply.
stack_output() { # FILTER
  [ -f "$scratch/outputs" ] ||
    terraform_here output -json -no-color >"$scratch/outputs" 2>"$scratch/terraform-errors" ||
    die "$exit_failed" "the state of $environment cannot be read: $(last_line <"$scratch/terraform-errors")"
  jq -r "$1" "$scratch/outputs"
}

forget_outputs() { rm -f "$scratch/outputs"; }
