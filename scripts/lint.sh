#!/usr/bin/env bash
# npm run lint: every part runs, each says one line, and the whole fails if one of them failed.
#
#   npm run lint             all parts
#   npm run lint -- types    only the parts named
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

wanted=" $* "
output=$(mktemp)
trap 'rm -f "$output"' EXIT
failed=()

part() { # name, what it looks at, command...
  local name=$1 what=$2 start=$SECONDS
  shift 2
  [[ $wanted == "  " || $wanted == *" $name "* ]] || return 0
  if "$@" >"$output" 2>&1; then
    printf 'ok      %-8s %s (%ds)\n' "$name" "$what" $((SECONDS - start))
  else
    failed+=("$name")
    cat "$output"
    printf 'FAILED  %-8s %s (%ds)\n' "$name" "$what" $((SECONDS - start))
  fi
}

part format  "biome: format, order of imports, lint"   biome check --error-on-warnings --colors=off --max-diagnostics=200
part code    "oxlint: lint that knows the types"       oxlint --deny-warnings
part types   "tsc: src, gen, test, bench, scripts"              tsc --noEmit
part imports "dependency-cruiser: the import rule"     node scripts/check-imports.mjs
part unused  "knip: files, exports, dependencies"      knip --no-progress
part proto   "buf lint: the contract"                  buf lint
part protofmt "buf format: the contract"              buf format --diff --exit-code

if ((${#failed[@]} > 0)); then
  echo "lint: FAILED: ${failed[*]}"
  exit 1
fi
echo "lint: ok"
