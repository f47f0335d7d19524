#!/usr/bin/env bash
# Installs what `npm run bench -- peers` compares the service with, and builds the Go server: Debian's packages alone, and
# nothing from the network but them. Needs root, if a package is missing.
#
#   bench/peers/install.sh [FOLDER]    the server's folder (default: token-verifier-peers in the temporary folder)
set -euo pipefail
cd "$(dirname "$0")"

packages=(golang-go golang-google-grpc-dev golang-github-golang-jwt-jwt-dev haproxy)
folder=${1:-${TMPDIR:-/tmp}/token-verifier-peers}

if ! dpkg-query -s "${packages[@]}" >/dev/null 2>&1; then
  if ((EUID != 0)); then
    echo "These packages are needed: ${packages[*]}. Run this script as root, or install them." >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

mkdir -p "$folder"
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$folder/cache" GOFLAGS= go build -o "$folder/server" server.go
echo "The Go server is $folder/server."
