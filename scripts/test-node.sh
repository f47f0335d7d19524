#!/usr/bin/env bash
# npm run test:node -- 22 [FILE...]: the tests, quick and slow, under the newest release of another Node.js line (22, 24
# or 26).
#
# The release comes from npm and stays in .nodes/, which git ignores; node_modules serves every line.
set -euo pipefail
cd "$(dirname "$0")/.."

line=${1:-}
[[ $line =~ ^(22|24|26)$ ]] || { echo "usage: npm run test:node -- 22|24|26 [FILE...]" >&2; exit 2; }
shift

mkdir -p ".nodes/$line"
(
  cd ".nodes/$line"
  echo '{ "private": true, "allowScripts": { "node": true } }' >package.json
  npm install --silent --no-save --no-package-lock --no-audit --no-fund "node@$line"
)
bin=$PWD/.nodes/$line/node_modules/node/bin
# In front of node_modules/.bin, whose node is the pinned one.
export PATH="$bin:$PATH"
[[ $(node -p process.versions.node) == "$line".* ]] || { echo "npm gave Node.js $(node -v), not $line" >&2; exit 1; }

echo "Node.js $(node -v)"
export TESTS=${TESTS:-all}
exec node node_modules/mocha/bin/mocha.js "$@"
