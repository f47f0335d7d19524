#!/usr/bin/env bash
# npm run generate: writes gen/ from proto/, and docs/reference/ from proto/ and src/. Commit the result; a second run changes nothing.
#
#   gen/tokenverifier, gen/google   TypeScript of the messages, by buf and ts-proto (buf.gen.yaml)
#   gen/descriptors.ts              the compiler's own descriptors, which reflection serves
#   docs/reference                  the pages made from the code (scripts/reference)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

# The output is made beside gen and moved at the end, so that a failed run leaves gen as it was.
work=$(mktemp -d ./.generate.XXXXXX)
trap 'rm -rf "$work"' EXIT

buf generate --output "$work"

# Reflection serves health and reflection too, whose .proto files come from packages. A FileDescriptorSet is one repeated
# field, so that concatenated sets are one set.
health=node_modules/grpc-health-check/proto
reflection=node_modules/@grpc/reflection/build/proto
buf build proto --as-file-descriptor-set --exclude-source-info -o "$work/1.binpb"
buf build "$health" --as-file-descriptor-set --exclude-source-info -o "$work/2.binpb"
buf build "$reflection" --path "$reflection/grpc/reflection" --as-file-descriptor-set --exclude-source-info -o "$work/3.binpb"

{
  echo "// Written by scripts/generate.sh. DO NOT EDIT."
  echo
  echo "/** A google.protobuf.FileDescriptorSet in base64: every .proto file of this service's ports, imports included. */"
  echo "export const FILE_DESCRIPTOR_SET ="
  cat "$work"/[123].binpb | base64 -w 110 | sed 's/^/  "/; s/$/" +/; $ s/ +$/;/'
} > "$work/gen/descriptors.ts"

rm -rf gen
mv "$work/gen" gen

# The pages come from the code that gen has just changed, and from the comments of the proto.
buf build proto --as-file-descriptor-set -o "$work/contract.binpb"
tsx scripts/reference/main.ts "$work/contract.binpb" "$work/reference"
cp "$work"/reference/* docs/reference/
