#!/usr/bin/env bash
# npm run breaking: fails if proto/ would break a client of the last release, the newest tag v* behind this commit.
# Before the first release there is no contract to break: it says so and compares nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

against=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) || against=""
if [[ -z $against ]]; then
  echo "no tag v* behind this commit: no release to compare with"
  exit 0
fi

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$against" proto buf.yaml | tar -x -C "$old"
echo "against $against"
node_modules/.bin/buf breaking proto --against "$old/proto"
