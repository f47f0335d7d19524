#!/usr/bin/env bash
# Checks the shipped packages for known vulnerabilities, and the registry's signatures on all installed packages. A
# registry that does not answer these questions, like many mirrors, is reported and is not a failure.
set -uo pipefail
cd "$(dirname "$0")/.."

ask() { # name, command...
  local name=$1 said code=0
  shift
  # npm would inherit the log level of the npm that runs this script.
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
