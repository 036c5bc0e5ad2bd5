# shellcheck shell=bash
# Command lines. Every command defines usage, which prints its help, and own_option, which gets an argument with those
# that follow and sets used when it took more than one.

# shellcheck disable=SC2034 # env is read by the commands
parse_options() { # ARGUMENT...
  env=production
  while [ "$#" != 0 ]; do
    used=1
    case $1 in
      -h | --help) usage && exit ;;
      --env) env=$(value_of "$@") used=2 ;;
      *) own_option "$@" ;;
    esac
    shift "$used"
  done
}

# shellcheck disable=SC2034 # read by lib/deploy.sh
yes=no url='' minutes=20 # two slow pulls, three tasks that the circuit breaker lets fail, and their grace

# The options of those commands that follow a rollout.
rollout_option() { # ARGUMENT...
  case $1 in
    --yes) yes=yes ;;
    --url) url=$(value_of "$@") used=2 ;;
    --timeout) minutes=$(number_of "$@") used=2 ;;
    *) no_such_option "$1" ;;
  esac
}

# The value of an option that needs one.
value_of() { # OPTION [VALUE]
  [ -n "${2-}" ] || usage_error "$1 needs a value"
  printf '%s\n' "$2"
}

number_of() { # OPTION [VALUE]
  [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage_error "$1 takes a number from 1: it is \"${2-}\""
  printf '%s\n' "$2"
}

no_such_option() { usage_error "there is no option $1"; }
