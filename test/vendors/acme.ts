import { z } from "zod";
import type { Credential, Verified } from "../../src/contract/verifier.js";
import { memberText } from "../../src/jws/raw-text.js";
import { Secret } from "../../src/util/secret.js";
import {
  type Answer,
  answerFailure,
  type BodyReader,
  callerFirst,
  defineVendor,
  type FaceRequest,
  type FailureKind,
  json,
  mediaType,
  type Question,
} from "../../src/vendors/vendor.js";
import { subjectOfClaims } from "../../src/verifier/claims.js";
import { conditionOn } from "../../src/verifier/conditions.js";
import { isString, isTime, notBefore, notExpired, required, typed } from "../../src/verifier/rules.js";

// Acme, POST /oauth2/introspect. The vendor is invented: it is the worked example of docs/guides/add-a-vendor.md.
// Its endpoint speaks like token introspection (RFC 7662): a form, Basic credentials, and `active`.

const policySettings = {
  tokenUse: z
    .enum(["access", "id"])
    .default("access")
    .describe("The `token_use` that a token must have: tokens of the other kind are not active."),
};

const faceSettings = {
  show: z
    .array(z.string().min(1))
    .default(["sub", "client_id", "scope", "exp"])
    .describe("The claims that a good answer shows, in this order; absent ones are left out."),
};

const error = (status: number, code: string, headers: Answer["headers"] = {}): Answer =>
  json(status, { error: code }, headers);

const INVALID_REQUEST = error(400, "invalid_request");
const INVALID_CLIENT = error(401, "invalid_client", { "WWW-Authenticate": 'Basic realm="acme"' });
const NOT_ALLOWED = error(405, "invalid_request", { Allow: "POST" });
const TOO_LARGE = error(413, "invalid_request");
const INACTIVE = json(200, { active: false });

const FAILURES: Readonly<Record<FailureKind, Answer>> = {
  "caller missing": INVALID_CLIENT,
  "caller unknown": INVALID_CLIENT,
  throttled: error(429, "slow_down"),
  unavailable: error(503, "temporarily_unavailable"),
  unexpected: error(500, "server_error"),
};

/** Decodes a part of Basic credentials, which is form-encoded (RFC 6749, section 2.3.1); empty if it is malformed. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part.replaceAll("+", " "));
  } catch {
    return "";
  }
}

/** The Basic credentials of a request (RFC 7617); empty ones if it has none. */
function credentialOf(request: FaceRequest): Credential {
  const [, encoded = ""] = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(request.values("authorization")[0] ?? "") ?? [];
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return {
    kind: "client",
    clientId: colon < 0 ? "" : decoded(text.slice(0, colon)),
    clientSecret: new Secret(colon < 0 ? "" : decoded(text.slice(colon + 1))),
  };
}

function read(request: FaceRequest): Question | BodyReader | Answer {
  if (request.method !== "POST") return NOT_ALLOWED;
  const credential = credentialOf(request);
  const fault = (answer: Answer): Question => callerFirst(credential, answer);
  if (mediaType(request) !== "application/x-www-form-urlencoded") return fault(INVALID_REQUEST);
  return {
    credential,
    readBody: (body) => {
      if (body === undefined) return fault(TOO_LARGE);
      // A repeated parameter is an error (RFC 6749, section 3.2), and so is an empty one.
      const [token = "", ...more] = new URLSearchParams(body.toString("utf8")).getAll("token");
      return token !== "" && more.length === 0 ? { token, credential } : fault(INVALID_REQUEST);
    },
  };
}

function active({ token }: Verified, show: readonly string[]): Answer {
  const members = show.flatMap((claim) => {
    const value = memberText(token.payload, claim);
    return value === undefined ? [] : [`,${JSON.stringify(claim)}:${value}`];
  });
  return { status: 200, body: `{"active":true${members.join("")}}` };
}

/** Acme: ES256 tokens, Basic client credentials, introspection answers. */
export const acme = defineVendor({
  name: "acme",
  path: "/oauth2/introspect",
  algorithms: ["ES256"],
  callers: "clients",
  keysOf: "realm",
  maxTokenLength: 4096,
  policySettings,
  faceSettings,
  policy: ({ tokenUse }) => ({
    ignoreHeaders: [],
    clockTolerance: 0,
    rules: [
      required("exp"),
      typed("exp", isTime),
      typed("nbf", isTime),
      notExpired(),
      notBefore(),
      required("sub"),
      typed("sub", isString),
      required("token_use"),
      conditionOn("token_use", { oneOf: [tokenUse] }),
    ],
    subject: subjectOfClaims,
  }),
  face: ({ show }) => ({
    read,
    write: (outcome) => {
      if (outcome.kind === "failure") return answerFailure(FAILURES, outcome);
      return outcome.kind === "verified" ? active(outcome, show) : INACTIVE;
    },
  }),
  example: {
    claims: ({ now, userId, clientId }, { tokenUse }) => ({
      token_use: tokenUse,
      sub: userId,
      client_id: clientId,
      scope: "read",
      exp: now + 3600,
    }),
    request: (token, { clientId, clientSecret }) => ({
      headers: {
        "Content-Type": "application/x-www-form-urlencoded",
        Authorization: `Basic ${Buffer.from([clientId, clientSecret].map(encodeURIComponent).join(":")).toString("base64")}`,
      },
      body: new URLSearchParams({ token }).toString(),
    }),
  },
});
