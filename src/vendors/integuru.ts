import { z } from "zod";
import type { ReasonName } from "../contract/reasons.js";
import type { Outcome, Rejected, Verified } from "../contract/verifier.js";
import type { MemberPath } from "../jws/json.js";
import { memberPath, withValueAt } from "../jws/json-pointer.js";
import { textAt } from "../jws/raw-text.js";
import { identifierClaim, principalOf, stringClaim } from "../verifier/claims.js";
import { conditionOn } from "../verifier/conditions.js";
import { issuedInPast, isTime, notBefore, notExpired, required, typed } from "../verifier/rules.js";
import {
  type Answer,
  answerFailure,
  claimName,
  defineVendor,
  type FaceRequest,
  type FailureKind,
  json,
  type Question,
} from "./vendor.js";

// Integuru, POST /api/verify-token: the answers of Django REST framework with SimpleJWT before 5.5.

const policySettings = {
  userClaim: claimName
    .default("taiki_user_id")
    .describe(
      "The claim that identifies the user, by name or JSON Pointer. A token without it is rejected; any value passes.",
    ),
};

const faceSettings = {
  members: z
    .record(
      z
        .string()
        .refine((name) => name !== "valid", { error: "`valid` is the answer's own member: choose another name" }),
      claimName,
    )
    .default({ taiki_user: "taiki_user_id", client: "client_app_id" })
    .describe(
      "The members of a good answer after `valid`, each with the claim that it shows, by name or JSON Pointer.",
    ),
};

const ALLOW = { Allow: "POST, OPTIONS" };
const CHALLENGE = { ...ALLOW, "WWW-Authenticate": 'Bearer realm="api"' };

const unauthorized = (body: unknown): Answer => json(401, body, CHALLENGE);

const NOT_PROVIDED = unauthorized({ detail: "Authentication credentials were not provided." });
const BAD_HEADER = unauthorized({
  detail: "Authorization header must contain two space-delimited values",
  code: "bad_authorization_header",
});
const NO_USER = unauthorized({
  detail: "Token contained no recognizable user identification",
  code: "token_not_valid",
});
const NOT_ACCEPTABLE = json(406, { detail: "Could not satisfy the request Accept header." }, ALLOW);
const OPTIONS = json(
  200,
  {
    name: "Verify Token",
    description: "",
    renders: ["application/json"],
    parses: ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
  },
  ALLOW,
);

const invalid = (message: string): Answer =>
  unauthorized({
    detail: "Given token not valid for any token type",
    code: "token_not_valid",
    messages: [{ token_class: "AccessToken", token_type: "access", message }],
  });
const INVALID = invalid("Token is invalid or expired");

/** Answers to rejections, by reason and claim; any other rejection is {@link INVALID}. */
const REJECTIONS: Partial<Record<`${ReasonName} ${string}`, Answer>> = {
  "CLAIM_MISSING exp": invalid("Token has no 'exp' claim"),
  "CLAIM_MISSING jti": invalid("Token has no id"),
  "CLAIM_MISSING token_type": invalid("Token has no type"),
  "CLAIM_MISMATCH token_type": invalid("Token has wrong type"),
};

/** The claims that SimpleJWT requires of every token. Any other missing claim is the user claim. */
const OWN_CLAIMS: ReadonlySet<string> = new Set(["exp", "jti", "token_type"]);

function rejected({ reason, claim }: Rejected): Answer {
  if (reason === "CLAIM_MISSING" && !OWN_CLAIMS.has(claim)) return NO_USER;
  return REJECTIONS[`${reason ?? "TOKEN_MALFORMED"} ${claim}`] ?? INVALID;
}

/** Whether a range of `Accept` admits JSON. Parameters, `q` included, are ignored, because the framework ignores them. */
function acceptsJson(accept: readonly string[]): boolean {
  if (accept.length === 0 || (accept.length === 1 && ADMITTING.has(accept[0] as string))) return true;
  return accept
    .join(",")
    .split(",")
    .some((range) => ADMITTING.has((range.split(";", 1)[0] ?? "").trim().toLowerCase()));
}
// The framework compares type and subtype separately, so `*/json` admits JSON too.
const ADMITTING: ReadonlySet<string> = new Set(["application/json", "application/*", "*/*", "*/json"]);

function read(request: FaceRequest): Question | Answer {
  if (!acceptsJson(request.values("accept"))) return NOT_ACCEPTABLE;
  const words = request
    .values("authorization")
    .join(",")
    .split(/[ \t]+/)
    .filter((word) => word !== "");
  if (words[0] !== "Bearer") return NOT_PROVIDED;
  const [, token] = words;
  return words.length === 2 && token !== undefined ? { token } : BAD_HEADER;
}

/** The body of the answer to a good token. @param members what comes before each value, and where the payload has it */
function goodBody(payload: string, members: readonly (readonly [start: string, MemberPath])[]): string {
  let body = '{"valid":true';
  for (const [start, path] of members) body += start + (textAt(payload, path) ?? "null");
  return `${body}}`;
}

/** The answer to a good token: the framework authenticates before it looks at the method. */
function good(
  verdict: Verified,
  request: FaceRequest,
  members: readonly (readonly [start: string, MemberPath])[],
): Answer {
  switch (request.method) {
    case "POST":
      return { status: 200, headers: ALLOW, body: goodBody(verdict.token.payload, members) };
    case "OPTIONS":
      return OPTIONS;
    default:
      return json(405, { detail: `Method "${request.method}" not allowed.` }, ALLOW);
  }
}

const UNEXPECTED = json(500, { detail: "A server error occurred." }, ALLOW);

const FAILURES: Readonly<Record<FailureKind, Answer>> = {
  // Anyone may ask, so no call can fail because of its caller.
  "caller missing": UNEXPECTED,
  "caller unknown": UNEXPECTED,
  throttled: json(429, { detail: "Request was throttled." }, ALLOW),
  unavailable: json(503, { detail: "Token verification is temporarily unavailable." }, ALLOW),
  unexpected: UNEXPECTED,
};

/** Integuru: HS256 bearer tokens, with SimpleJWT's answers. */
export const integuru = defineVendor({
  name: "integuru",
  path: "/api/verify-token",
  algorithms: ["HS256"],
  callers: "anyone",
  keysOf: "realm",
  maxTokenLength: 16 * 1024,
  policySettings,
  faceSettings,
  policy: ({ userClaim }) => ({
    // SimpleJWT does not check `typ`.
    ignoreHeaders: ["typ"],
    clockTolerance: 0,
    rules: [
      typed("exp", isTime),
      typed("nbf", isTime),
      typed("iat", isTime),
      notExpired(),
      notBefore(),
      issuedInPast(),
      required("exp"),
      required("jti"),
      required("token_type"),
      conditionOn("token_type", { oneOf: ["access"] }),
      required(userClaim),
    ],
    subject: {
      from: "claims",
      claim: userClaim,
      read: (claims, { payload }) => {
        const id = identifierClaim(claims, userClaim, payload);
        const clientId = stringClaim(claims, "client_app_id");
        const { user } = id === undefined ? {} : principalOf({ id, issuer: stringClaim(claims, "iss") });
        return { user, client: clientId === undefined ? undefined : { clientId } };
      },
    },
  }),
  face: (settings) => {
    const members = Object.entries(settings.members).map(
      ([name, claim]) => [`,${JSON.stringify(name)}:`, memberPath(claim)] as const,
    );
    return {
      read,
      write: (outcome: Outcome, request) => {
        if (outcome.kind === "verified") return good(outcome, request, members);
        return outcome.kind === "rejected" ? rejected(outcome) : answerFailure(FAILURES, outcome);
      },
    };
  },
  example: {
    claims: ({ now, appId, userId }, { userClaim }) =>
      withValueAt(
        { token_type: "access", exp: now + 3600, iat: now, jti: `example-${now}`, client_app_id: appId },
        memberPath(userClaim),
        userId,
      ),
    request: (token) => ({ headers: { Authorization: `Bearer ${token}` } }),
  },
});
