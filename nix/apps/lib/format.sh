# shellcheck shell=bash
# How figures are written. Nothing here asks anything of the world.

# 4213000 => 4.2 MB, in the units that disks and registries use (1 MB is 1,000,000 bytes).
bytes() { # NUMBER
  awk -v n="$1" 'BEGIN {
    if (n >= 1e9) printf "%.1f GB\n", n / 1e9
    else if (n >= 1e6) printf "%.1f MB\n", n / 1e6
    else if (n >= 1e3) printf "%.1f kB\n", n / 1e3
    else printf "%d B\n", n
  }'
}

# 131 => 2 min 11 s
duration() { # SECONDS
  if [ "$1" -ge 60 ]; then printf '%d min %d s\n' "$(($1 / 60))" "$(($1 % 60))"; else printf '%d s\n' "$1"; fi
}

# sha256:0123… => its first 12 digits, as container tools show them
short_digest() { # DIGEST
  local digits=${1#sha256:}
  printf '%s\n' "${digits:0:12}"
}

# Seven digits of a commit, and whether more than the commit went into the build
short_commit() { # COMMIT
  case $1 in
    *-dirty) printf '%s-dirty\n' "${1:0:7}" ;;
    *) printf '%s\n' "${1:0:7}" ;;
  esac
}

# arn:aws:sts::123456789012:assumed-role/deploy/ada => deploy/ada; arn:aws:iam::123456789012:user/ada => ada
principal() { # ARN
  local name=${1##*:}
  printf '%s\n' "${name#*/}"
}

# The cost of a stack, from its output, in words: what has no price is named, and not left out unseen.
monthly_cost() {
  jq -r 'if .total == null then "not known: terraform/prices.tf has no prices of this region"
    else "$\(.total) a month" + ([.lines | to_entries[] | select(.value | startswith("price unconfirmed")) | .key]
      | if . == [] then "" else ", without \(join(", ")), whose price nobody has confirmed" end) end'
}

# The cost of before and after, in dollars: how it changes.
cost_change() { # BEFORE AFTER; either may be empty
  if [ -z "$2" ]; then
    echo "cost: not known for this region"
  elif [ -z "$1" ]; then
    printf 'cost: $%s a month\n' "$2"
  elif [ "$1" = "$2" ]; then
    printf 'cost: $%s a month, unchanged\n' "$2"
  else
    awk -v before="$1" -v after="$2" 'BEGIN { printf "cost: $%.2f a month, %+.2f\n", after, after - before }'
  fi
}
