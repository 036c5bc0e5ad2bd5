# shellcheck shell=bash
# What a command says and how it ends.

# The exit codes of every command; each --help names those that it uses.
# shellcheck disable=SC2034 # for the files that source this one
{
  readonly exit_failed=1    # it was tried and did not work
  readonly exit_usage=2     # the command line is wrong
  readonly exit_preflight=3 # something is missing; nothing was changed
  readonly exit_locked=4    # somebody else is at it; nothing was changed
  readonly exit_push=5      # the registry does not take the images; the stack was not touched
  readonly exit_smoke=6     # the new version runs, and does not answer as it should
  readonly exit_waiting=7   # a DNS record has to be made by somebody first
  readonly exit_interrupted=130
}

say() { printf '%s\n' "$*"; }
heading() { printf '\n%s\n' "$*"; }
line() { printf '  %s\n' "$*"; }
row() { printf '  %-10s %s\n' "$1" "$2"; } # LABEL TEXT

# Ends the command with a message on standard error, and below it what to do.
die() { # CODE MESSAGE [NEXT_STEP]...
  local code=$1
  {
    printf '%s: %s\n' "$command" "$2"
    [ "$#" = 2 ] || printf '  %s\n' "${@:3}"
  } >&2
  exit "$code"
}

usage_error() { die "$exit_usage" "$* (see --help)"; }

# Asks for a word. Without a terminal nobody can answer, and silence is no consent.
ask_for() { # WORD QUESTION
  local answer
  [ -t 0 ] || die "$exit_usage" "nobody can be asked here, because standard input is no terminal: $2"
  printf '\n%s Type %s to go on: ' "$2" "$1"
  read -r answer || true
  [ "$answer" = "$1" ] || die "$exit_failed" "not confirmed, and nothing was applied"
}

indent() { sed 's/^/  /'; }
