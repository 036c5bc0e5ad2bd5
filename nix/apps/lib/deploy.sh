# shellcheck shell=bash
# The one path to a version that is seen to run, which deploy, rollback and promote share from the digests on.

# What each of them needs, besides its own checks. Sets account, caller, bucket, repositories.
check_account() {
  if [ -n "$region" ]; then use_region; fi
  if check_credentials && [ -n "$region" ] && check_bootstrap; then
    find_repositories || true
  fi
}

# What most commands begin with: the tools, the checkout, the environment, the account. Problems but those of tools are left
# to end_on_problems, so that a command can add its own.
check_surroundings() { # TOOL...
  make_scratch
  check_tools "$@"
  end_on_problems
  find_checkout
  choose_environment "$env"
  check_environment
  check_account
}

say_where() { say "$environment in $region, account $account, as $(principal "$caller")"; }

# Plans, asks, applies, follows, looks from outside, and sums up.
take_over() { # DIGESTS COMMIT
  local requested started=$SECONDS
  trap 'interrupted "while planning; nothing was changed"' INT TERM
  heading Plan
  plan_stack "$1"
  if [ "$changed" = no ] && already_runs; then
    look_from_outside
    sum_up "$2" "$(jq -r .app <<<"$1")" "nothing was to do"
    return
  fi
  remember_events
  describe_plan
  if [ "$changed" = yes ]; then
    end_before_dns_is_ready "$1"
    confirm_plan "$yes"
    # An earlier release runs on the schema as it is, and is wanted soon.
    if [ "$command" != rollback ] && migrates_first "$1"; then migrate_first "$1"; fi
    apply "$2"
  fi
  requested=$(stack_output .deployment.value.task_definition)
  heading Rollout
  trap 'interrupted "while following: the rollout goes on in AWS"' INT TERM
  if ! follow_rollout "$requested" "$(jq -r .app <<<"$1")" "$minutes"; then
    say
    die "$exit_failed" "$environment did not take over $(short_commit "$2")" \
      "what ran before serves on if ECS rolled back; nix run .#rollback -- --env $environment makes the stack say so, too"
  fi
  note_release "$requested" completed "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  look_from_outside
  sum_up "$2" "$(jq -r .app <<<"$1")" "after $(duration $((SECONDS - started)))"
}

# The plan is empty and what was asked for has taken over already. After an interrupted run the plan is empty too, and then
# there is a rollout to follow.
already_runs() {
  local requested running
  requested=$(stack_output .deployment.value.task_definition)
  running=$(describe_service | running_release)
  [ "$running" = "$requested COMPLETED" ] || return 1
  [ -n "$(release_of "$requested" | jq -r .completed)" ] || return 1
  line "nothing changes, and $(revision_of "$requested") has taken over"
}

revision_of() { printf '%s\n' "${1##*/}"; } # TASK_DEFINITION

apply() { # COMMIT
  heading Apply
  trap 'interrupted "while applying: what was made is in the state"' INT TERM
  apply_plan || end_on_terraform_error "Not all of it could be applied; what was is in the state, and the next run goes on"
  forget_outputs
  note_release "$(stack_output .deployment.value.task_definition)" commit "$1"
}

interrupted() { # WHERE
  die "$exit_interrupted" "interrupted $1" "run it again, and it goes on"
}

# Without the record, an apply would wait half an hour for the certificate and then fail. So the certificate is made
# first, and the record named.
end_before_dns_is_ready() { # DIGESTS
  local domain
  domain=$(setting domain <"$settings")
  [ -n "$domain" ] && [ "$domain" != null ] && [ -z "$(setting route53_zone_id <"$settings")" ] || return 0
  [ "$(stack_output '.url.value // empty')" != "https://$domain" ] || return 0
  [ -z "$(issued_certificate "$domain")" ] || return 0
  heading "The certificate of $domain"
  if [ -z "$(stack_output '.certificate_zone_file.value // empty')" ]; then
    [ "$yes" = yes ] || ask_for yes "Ask AWS for it? It costs nothing."
    plan_stack "$1" -target=aws_acm_certificate.this
    apply_plan || end_on_terraform_error "The certificate could not be asked for"
    forget_outputs
  fi
  line "Make this DNS record, and leave it there for ever:"
  stack_output .certificate_zone_file.value | indent
  die "$exit_waiting" "waits for that record" "AWS issues the certificate some minutes after it is there; then run it again, and it goes on"
}

issued_certificate() { # DOMAIN
  aws acm list-certificates --certificate-statuses ISSUED --output json |
    jq -r --arg domain "$1" '.CertificateSummaryList[] | select(.DomainName == $domain) | .CertificateArn'
}

look_from_outside() {
  local address=${url:-$(stack_output .url.value)} zone
  [ "$(describe_service | ecs_says 'primary.desiredCount')" != 0 ] || return 0
  heading "Smoke test of $address"
  trap 'interrupted "in the smoke test: the new version runs"' INT TERM
  smoke_test "${address%/}" && return
  zone=$(stack_output '.zone_file.value // empty')
  if [ -z "$url" ] && [ -n "$zone" ]; then
    line "If the domain does not point there yet, make this record, or give another address by --url:"
    indent <<<"$zone"
  fi
  say
  die "$exit_smoke" "the new version runs, and does not answer as it should" \
    "look at it by nix run .#logs, or go back by nix run .#rollback -- --env $environment"
}

sum_up() { # COMMIT DIGEST HOW
  heading "$environment runs $(short_commit "$1"), $3"
  row URL "$(stack_output .url.value)"
  row digest "$2"
  row cost "$(stack_output .monthly_cost.value | monthly_cost)"
  [ -n "$(setting alarm_email <"$settings")" ] ||
    row alarms "reach nobody: set alarm_email in ${settings#"$root/"}, and deploy"
}
