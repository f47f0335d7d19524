import { makeToken } from "../support/token.js";

// What the tests of the client's cache verify.

/** Realms whose callers may watch them, and `open`, which no caller may. */
export const CONFIGURATION = `
grpc: 127.0.0.1:0
store: sqlite:./data/verifier.db
masterKey: \${MASTER_KEY}
directory: ./directory.yaml
realms:
  partner:
    algorithms: [ES256]
    issuer: https://issuer.example
    audience: null
    callers: clients
    keys: [{ pemFile: ./p256.pem }]
  open: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pemFile: ./p256.pem }] }
  integuru: { preset: integuru, keys: [{ secret: "\${integuru}" }] }
  clowk: { preset: clowk }
`;
/** A caller of the realm `partner`. */
export const CALLER = { clientId: "vision-api-user", clientSecret: "abcdefghizklmnopponommnshfghzxxs" };
/** Seconds. */
export const HOUR = 3600;

let serial = 0;
/** A token of the realm `partner` with a `jti` of its own. */
export function partnerToken(claims: Readonly<Record<string, unknown>> = {}): string {
  const seconds = Math.floor(Date.now() / 1000);
  return makeToken({
    key: "p256",
    header: { alg: "ES256" },
    claims: {
      iss: "https://issuer.example",
      sub: "jane",
      jti: `t${++serial}`,
      iat: seconds - 10,
      exp: seconds + HOUR,
      ...claims,
    },
  });
}
