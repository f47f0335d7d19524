/**
 * What the help of each command shows, by its name: lines for a shell, in a folder where `serve` made `./data`. Where one
 * does not end with 0, a comment says so.
 */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  serve: [
    "token-verifier serve",
    "token-verifier serve --config data/verifier.yaml",
    "token-verifier serve --config data/verifier.yaml --only grpc --json",
  ],
  verify: [
    "token-verifier mint --realm integuru | token-verifier verify --realm integuru -",
    "token-verifier verify --realm integuru --config data/verifier.yaml --explain - < token.txt",
    "token-verifier verify -r integuru -c data/verifier.yaml --at 2099-01-01T00:00:00Z - < token.txt   # exit code 1",
  ],
  mint: [
    "token-verifier mint --realm integuru > token.txt",
    "token-verifier mint --realm fiserv --expires 5m --claim jti=example-1 --claim 'roles=[\"admin\"]'",
  ],
  check: ["token-verifier check --config data/verifier.yaml", "token-verifier check --json"],
  "keys diff": [
    "token-verifier keys diff --realm fiserv --candidate next.jwks.json",
    "token-verifier keys diff --realm fiserv --candidate next.jwks.json --metrics 127.0.0.1:9464 --json",
  ],
  import: [
    "token-verifier import directory.jsonl --dry-run --prune",
    "token-verifier export | token-verifier import - --json",
  ],
  export: ["token-verifier export > directory.jsonl"],
  revoke: [
    "token-verifier revoke --token token.txt",
    "token-verifier revoke --realm integuru --jti example-1 --until 2099-01-01T00:00:00Z",
  ],
  version: ["token-verifier version", "token-verifier version --json"],
};
