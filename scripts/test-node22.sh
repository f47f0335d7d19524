#!/usr/bin/env bash
# npm run test:node22: the tests under the newest Node 22, whatever runs here; npm run test:node22 -- FILE... only those.
#
# Native modules are compiled for one version of Node, so it works in a copy with a node_modules of its own. All of it lies
# in .node22/, which git ignores: the first run takes some minutes longer, and so does one after package-lock.json changed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD cache=$PWD/.node22
mkdir -p "$cache/node" "$cache/copy"

# Node itself comes from npm, with the headers that a native module is compiled against.
cd "$cache/node"
echo '{ "private": true, "allowScripts": { "node": true } }' >package.json
npm install --silent --no-save --no-package-lock --no-audit --no-fund node@22
header=$(find "$cache/node/node_modules" -path '*/include/node/node.h' -print -quit)
export PATH="$cache/node/node_modules/.bin:$PATH" npm_config_nodedir="${header%/include/node/node.h}"
[[ $(node -p process.versions.node) == 22.* ]] || { echo "npm gave Node $(node -v), not 22" >&2; exit 1; }

# What is committed and what is not yet.
cd "$cache/copy"
find . -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
(cd "$root" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [[ -e $file ]]; then printf '%s\0' "$file"; fi
done | tar -c --null -T -) | tar -x

installed=$(cat package-lock.json <(node -v) | git hash-object --stdin)
if [[ $(cat node_modules/.installed 2>/dev/null) != "$installed" ]]; then
  npm ci --no-audit --no-fund
  echo "$installed" >node_modules/.installed
fi

echo "Node $(node -v)"
npm test -- "$@"
