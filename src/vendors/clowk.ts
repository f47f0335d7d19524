import { z } from "zod";
import type { ReasonName } from "../contract/reasons.js";
import type { Outcome } from "../contract/verifier.js";
import { isObject, member } from "../jws/json.js";
import { Secret } from "../util/secret.js";
import { principalOf, stringClaim, userOfInstance } from "../verifier/claims.js";
import type { Rule } from "../verifier/realm.js";
import { isString, issuer, isTime, notBefore, notExpired, required, typed } from "../verifier/rules.js";
import {
  type Answer,
  answerFailure,
  type BodyReader,
  callerFirst,
  defineVendor,
  type FaceRequest,
  type FailureKind,
  json,
  jsonBody,
  mediaType,
  type Question,
  withoutSpace,
} from "./vendor.js";

// Clowk, POST /api/v1/tokens/verify: the calling instance authenticates with a secret key, which also signs its tokens.

const policySettings = {
  users: z
    .enum(["directory", "token"])
    .default("directory")
    .describe("Where the user of a good token comes from: the directory, or the token's own claims."),
};

/** The token must name the calling instance. Checked before the signature, so that no other instance's key is ever tried. */
const ownInstance: Rule = {
  check: "instance",
  reason: "INSTANCE_MISMATCH",
  claim: "instance_id",
  beforeSignature: true,
  test: (claims, { caller }) => {
    const id = member(claims, "instance_id");
    return !isString(id) || (caller.kind === "instance" && caller.instance.id === id);
  },
};

const error = (status: number, text: string): Answer => json(status, { error: text });
const invalid = (text: string): Answer => json(401, { valid: false, error: text });

const MISSING_TOKEN = error(400, "Missing token");
const MALFORMED_BODY = error(400, "Malformed request body");
const TOO_LARGE = error(413, "Request body too large");
const NOT_ALLOWED = json(405, { error: "Method not allowed" }, { Allow: "POST" });

const MALFORMED = invalid("Token malformed");
const INVALID_SIGNATURE = invalid("Token invalid signature");
const INVALID_CLAIMS = invalid("Token invalid claims");

const REJECTIONS: Readonly<Record<ReasonName, Answer>> = {
  TOKEN_TOO_LARGE: MALFORMED,
  TOKEN_MALFORMED: MALFORMED,
  HEADER_REFUSED: MALFORMED,
  TYPE_MISMATCH: MALFORMED,
  ALGORITHM_MISMATCH: INVALID_SIGNATURE,
  KEY_UNKNOWN: INVALID_SIGNATURE,
  SIGNATURE_INVALID: INVALID_SIGNATURE,
  CLAIM_MISSING: INVALID_CLAIMS,
  CLAIM_MISTYPED: INVALID_CLAIMS,
  CLAIM_MISMATCH: INVALID_CLAIMS,
  TOKEN_EXPIRED: invalid("Token expired"),
  TOKEN_NOT_YET_VALID: invalid("Token not yet valid"),
  ISSUED_IN_FUTURE: INVALID_CLAIMS,
  LIFETIME_TOO_LONG: INVALID_CLAIMS,
  ISSUER_MISMATCH: invalid("Token invalid issuer"),
  AUDIENCE_MISMATCH: INVALID_CLAIMS,
  INSTANCE_MISMATCH: invalid("Token does not belong to this instance"),
  TOKEN_REVOKED: invalid("Token revoked"),
  USER_UNKNOWN: error(404, "User not found"),
  KEY_WEAK: INVALID_SIGNATURE,
  PROOF_MISSING: INVALID_CLAIMS,
  PROOF_INVALID: INVALID_CLAIMS,
  PROOF_MISMATCH: INVALID_CLAIMS,
  PROOF_REPLAYED: INVALID_CLAIMS,
};

const FAILURES: Readonly<Record<FailureKind, Answer>> = {
  "caller missing": error(401, "Missing secret key"),
  "caller unknown": error(401, "Unauthorized"),
  throttled: error(429, "Too many requests"),
  unavailable: error(503, "Service unavailable"),
  unexpected: error(500, "Internal server error"),
};

/** The secret key that a request authenticates with: the vendor's own header, or else a bearer credential. */
function secretKey(request: FaceRequest): string {
  const own = withoutSpace(request.values("x-clowk-secret-key").join(", "));
  if (own !== "") return own;
  const bearer = /^bearer[ \t]+(.*)$/i.exec(withoutSpace(request.values("authorization")[0] ?? ""));
  return withoutSpace(bearer?.[1] ?? "");
}

function read(request: FaceRequest): Question | BodyReader | Answer {
  if (request.method !== "POST") return NOT_ALLOWED;
  const credential = { kind: "instance", secretKey: new Secret(secretKey(request)) } as const;
  const fault = (answer: Answer): Question => callerFirst(credential, answer);
  if (mediaType(request) !== "application/json") return fault(MISSING_TOKEN);
  return {
    credential,
    readBody: (body) => {
      if (body === undefined) return fault(TOO_LARGE);
      if (body.length === 0) return fault(MISSING_TOKEN);
      const value = jsonBody(body);
      if (!isObject(value)) return fault(MALFORMED_BODY);
      const token = Object.hasOwn(value, "token") ? value["token"] : undefined;
      return isString(token) && token !== "" ? { token, credential } : fault(MISSING_TOKEN);
    },
  };
}

function write(outcome: Outcome): Answer {
  switch (outcome.kind) {
    case "verified": {
      const user = outcome.principal?.user;
      return json(200, {
        id: user?.id ?? null,
        resource: "token",
        data: {
          valid: true,
          email: user?.email ?? null,
          name: user?.name ?? null,
          avatar_url: user?.avatarUrl ?? null,
          provider: user?.provider ?? null,
        },
      });
    }
    case "rejected":
      return outcome.reason === undefined ? INVALID_CLAIMS : REJECTIONS[outcome.reason];
    case "failure":
      return answerFailure(FAILURES, outcome);
  }
}

/** Clowk: an instance's own tokens, HS256 under its secret keys, users looked up. */
export const clowk = defineVendor({
  name: "clowk",
  path: "/api/v1/tokens/verify",
  algorithms: ["HS256"],
  callers: "instances",
  keysOf: "instance",
  maxTokenLength: 16 * 1024,
  policySettings,
  faceSettings: {},
  policy: ({ users }) => ({
    ignoreHeaders: [],
    clockTolerance: 0,
    rules: [
      ownInstance,
      notExpired(),
      notBefore(),
      issuer(["clowk"]),
      required("exp"),
      required("sub"),
      required("instance_id"),
      typed("exp", isTime),
      typed("nbf", isTime),
      typed("iat", isTime),
      typed("sub", isString),
      typed("instance_id", isString),
      typed("app_id", isString),
    ],
    subject:
      users === "directory"
        ? userOfInstance
        : {
            from: "claims",
            claim: "sub",
            read: (claims, { caller }) =>
              principalOf({
                id: stringClaim(claims, "sub") ?? "",
                email: stringClaim(claims, "email"),
                name: stringClaim(claims, "name"),
                avatarUrl: stringClaim(claims, "avatar_url"),
                provider: stringClaim(claims, "provider"),
                instanceId: caller.kind === "instance" ? caller.instance.id : "",
                issuer: stringClaim(claims, "iss"),
              }),
          },
  }),
  face: () => ({ read, write }),
  example: {
    claims: ({ now, instanceId, appId, userId }) => ({
      iss: "clowk",
      iat: now,
      exp: now + 3600,
      sub: userId,
      instance_id: instanceId,
      app_id: appId,
    }),
    request: (token, { secretKey }) => ({
      headers: { "Content-Type": "application/json", "X-Clowk-Secret-Key": secretKey },
      body: JSON.stringify({ token }),
    }),
  },
});
