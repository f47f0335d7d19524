#!/usr/bin/env bash
# Known weaknesses of what is shipped, and the registry's signatures on all that is installed. Where the registry has no answer
# to such questions, as many mirrors, that is said and is no failure: nothing was found, for nothing was looked at.
set -uo pipefail
cd "$(dirname "$0")/.."

ask() { # name, command...
  local name=$1 said code=0
  shift
  # Of the npm that runs this script, npm would inherit its silence.
  said=$(npm_config_loglevel=notice "$@" --fetch-retries=0 --fetch-timeout=20000 2>&1) || code=$?
  if ((code == 0)); then
    echo "ok      $name"
  elif grep -Eq "audit endpoint returned an error|npm error code E(405|404|NOTFOUND|CONNREFUSED|TIMEDOUT|NETUNREACH)|FETCH_ERROR|npm error network" <<<"$said"; then
    echo "unasked $name: the registry does not answer this"
  else
    echo "$said"
    echo "FAILED  $name"
    failed=1
  fi
}

failed=0
ask "advisories of what is shipped" npm audit --omit=dev --audit-level=high
ask "signatures of what is installed" npm audit signatures
exit "$failed"
