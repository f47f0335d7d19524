#!/usr/bin/env bash
# npm run breaking: fails where proto/ would break a client of the last release, the newest tag v* behind this commit.
# Before the first release it compares with main. A clone that has neither has nothing to compare with, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

against=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) || against=""
for ref in refs/heads/main refs/remotes/origin/main; do
  if [[ -z $against ]] && git rev-parse --quiet --verify "$ref^{commit}" >/dev/null; then against=$ref; fi
done
if [[ -z $against ]]; then
  echo "no tag v* and no branch main in this clone: not compared"
  exit 0
fi
if ! git cat-file -e "$against:proto" 2>/dev/null; then
  echo "$against has no proto/: not compared"
  exit 0
fi

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$against" proto buf.yaml | tar -x -C "$old"
echo "against $against"
node_modules/.bin/buf breaking proto --against "$old/proto"
