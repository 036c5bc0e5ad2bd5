# shellcheck shell=bash
# Whether the service answers from outside, by the routes that a client takes.

readonly smoke_seconds=60 # a load balancer needs some seconds to send requests to a task that is healthy

# Returns 1 when one of them does not answer as it should.
smoke_test() { # URL
  local status=0
  expect_answer "$1" /health '.status == "ok"' || status=1
  expect_answer "$1" /ready '.status == "ready"' || status=1
  expect_answer "$1" /hello '.message == "hello world"' || status=1
  return "$status"
}

expect_answer() { # URL PATH JQ_CONDITION
  local deadline=$((SECONDS + smoke_seconds)) answer code
  while true; do
    answer=$(curl --silent --show-error --max-time 10 --write-out '\n%{http_code}' "$1$2" 2>"$scratch/curl") || true
    code=${answer##*$'\n'}
    if [ "$code" = 200 ] && jq -e "$3" >/dev/null 2>&1 <<<"${answer%$'\n'*}"; then
      line "200  $2"
      return 0
    fi
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep 2
  done
  if [ "${code:-000}" = 000 ]; then
    line "---  $2  $(last_line <"$scratch/curl")"
  else
    line "$code  $2  $(head -c 300 <<<"${answer%$'\n'*}" | tr '\n' ' ')"
  fi
  return 1
}
