import type { Outcome } from "../contract/verifier.js";
import { isObject, member } from "../jws/json.js";
import { Secret } from "../util/secret.js";
import { stringClaim } from "../verifier/claims.js";
import { isString, isTime, notExpired, required, typed } from "../verifier/rules.js";
import {
  type Answer,
  type BodyReader,
  defineVendor,
  type FaceRequest,
  type FailureKind,
  failureKind,
  json,
  jsonBody,
  mediaType,
  type Question,
  retryAfter,
} from "./vendor.js";

// Fiserv, POST /v1/api/oauth/validateToken: client credentials and a token in the body; errors are arrays of one object.

const PATH = "/v1/api/oauth/validateToken";

/** The vendor's error codes: one digit of layer, three of HTTP status, two of sequence. */
const ERRORS = {
  methodNotAllowed: {
    status: 405,
    code: "240501",
    source: "AGT",
    title: "Method Not Allowed",
    param: "Method not allowed",
  },
  noContentType: {
    status: 415,
    code: "241502",
    source: "AGT",
    title: "Unsupported Media Type",
    param: "Content type is not provided",
  },
  contentType: {
    status: 415,
    code: "241501",
    source: "AGT",
    title: "Unsupported Media Type",
    param: "Unsupported Media Type",
  },
  empty: { status: 400, code: "240006", source: "APT", title: "Bad Request", param: "Payload is empty" },
  notReadable: { status: 400, code: "240007", source: "APT", title: "Bad Request", param: "Message not readable" },
  notValid: { status: 400, code: "240005", source: "APT", title: "Bad Request", param: "Payload is not valid" },
  required: {
    status: 400,
    code: "240009",
    source: "APT",
    title: "Required fields missing",
    param: "token: This field should not be empty",
  },
  constraint: { status: 400, code: "240010", source: "APT", title: "Constraint(s) Violated", param: "" },
  credentials: {
    status: 401,
    code: "140106",
    source: "AGT",
    title: "Unauthorized",
    param: "Invalid client credentials",
  },
  tooLarge: { status: 413, code: "241301", source: "AGT", title: "Payload Too Large", param: "Payload is too large" },
  throttled: { status: 429, code: "242901", source: "AGT", title: "Too Many Requests", param: "Too many requests" },
  unexpected: {
    status: 500,
    code: "250001",
    source: "AGT",
    title: "Internal Server Error",
    param: "An unexpected internal server error occurred",
  },
  unavailable: {
    status: 503,
    code: "250301",
    source: "AGT",
    title: "Service Unavailable",
    param: "Service Unavailable",
  },
} as const;

const FAILURES: Readonly<Record<FailureKind, keyof typeof ERRORS>> = {
  "caller missing": "credentials",
  "caller unknown": "credentials",
  throttled: "throttled",
  unavailable: "unavailable",
  unexpected: "unexpected",
};

/** The caller's headers that every answer echoes unchanged, and the maximum length of each in characters. */
const CLIENT_HEADERS = {
  "x-client-correlation-id": 40,
  "x-client-trace-id": 256,
  "x-client-source-channel": 40,
  "x-client-user-id": 40,
} as const;
const CLIENT_HEADER_NAMES = Object.keys(CLIENT_HEADERS) as readonly (keyof typeof CLIENT_HEADERS)[];

const NONE: Readonly<Record<string, readonly string[]>> = {};

function echo(request: FaceRequest): Readonly<Record<string, readonly string[]>> {
  let sent: Record<string, readonly string[]> | undefined;
  for (const name of CLIENT_HEADER_NAMES) {
    const values = request.values(name);
    if (values.length === 0) continue;
    sent ??= {};
    sent[name] = values;
  }
  return sent ?? NONE;
}

function fail(
  error: keyof typeof ERRORS,
  request: FaceRequest,
  { params, headers }: { params?: readonly string[]; headers?: Readonly<Record<string, string>> } = {},
): Answer {
  const { status, code, source, title, param } = ERRORS[error];
  const body = {
    detail: "Please refer to invalid-params for error details",
    errorCode: code,
    instance: PATH,
    "invalid-params": params ?? [param],
    source,
    status,
    title,
  };
  return json(status, [body], { ...echo(request), ...headers });
}

/** The members of a body, in the vendor's order. */
const FIELDS = ["token", "client_id", "client_secret"] as const;

type BodyFields = Readonly<Record<(typeof FIELDS)[number], unknown>>;

/** The maximum length of each credential in characters. */
const CREDENTIAL_LENGTHS = { client_id: 60, client_secret: 100 } as const;

/** The constraints that a request violates, in the vendor's order. */
function violations(fields: BodyFields, request: FaceRequest, maxTokenLength: number): string[] {
  const found: string[] = [];
  const tooLong = (name: string, most: number): number =>
    found.push(`${name}: The maximum length for this field is ${most}`);
  for (const name of FIELDS) {
    const most = name === "token" ? maxTokenLength : CREDENTIAL_LENGTHS[name];
    const value = fields[name];
    if (value === undefined || value === null) continue;
    if (!isString(value)) found.push(`${name}: This field should be a string`);
    else if (value.length > most) tooLong(name, most);
  }
  for (const name of CLIENT_HEADER_NAMES) {
    const most = CLIENT_HEADERS[name];
    if (request.values(name).some((value) => value.length > most)) tooLong(name, most);
  }
  return found;
}

function read(request: FaceRequest, maxTokenLength: number): BodyReader | Answer {
  if (request.method !== "POST") return fail("methodNotAllowed", request, { headers: { Allow: "POST" } });
  const type = mediaType(request);
  if (type === undefined) return fail("noContentType", request);
  if (type !== "application/json") return fail("contentType", request);
  return { readBody: (body) => readBody(body, request, maxTokenLength) };
}

function readBody(body: Buffer | undefined, request: FaceRequest, maxTokenLength: number): Question | Answer {
  if (body === undefined) return fail("tooLarge", request);
  if (body.length === 0) return fail("empty", request);
  const value = jsonBody(body);
  if (value === undefined) return fail("notReadable", request);
  if (!isObject(value)) return fail("notValid", request);

  const fields: BodyFields = {
    token: member(value, "token"),
    client_id: member(value, "client_id"),
    client_secret: member(value, "client_secret"),
  };
  const { token } = fields;
  if (token === undefined || token === null || token === "") return fail("required", request);
  const params = violations(fields, request, maxTokenLength);
  if (params.length > 0 || !isString(token)) return fail("constraint", request, { params });
  const text = (field: unknown): string => (isString(field) ? field : "");
  return {
    token,
    credential: {
      kind: "client",
      clientId: text(fields.client_id),
      clientSecret: new Secret(text(fields.client_secret)),
    },
  };
}

const VALID = '{"valid":true}';
const INVALID = '{"valid":false}';

function write(outcome: Outcome, request: FaceRequest): Answer {
  if (outcome.kind === "failure") {
    return fail(FAILURES[failureKind(outcome)], request, { headers: retryAfter(outcome) });
  }
  return { status: 200, headers: echo(request), body: outcome.kind === "verified" ? VALID : INVALID };
}

/** Fiserv: RS256 tokens, client credentials, error arrays. */
export const fiserv = defineVendor({
  name: "fiserv",
  path: PATH,
  algorithms: ["RS256"],
  callers: "clients",
  keysOf: "realm",
  maxTokenLength: 600,
  policySettings: {},
  faceSettings: {},
  policy: () => ({
    ignoreHeaders: [],
    clockTolerance: 0,
    rules: [required("exp"), typed("exp", isTime), notExpired()],
    subject: {
      from: "claims",
      claim: undefined,
      read: (claims) => {
        const clientId = stringClaim(claims, "client_id");
        return clientId === undefined ? undefined : { user: undefined, client: { clientId } };
      },
    },
  }),
  face: (_settings, maxTokenLength) => ({ read: (request) => read(request, maxTokenLength), write }),
  example: {
    claims: ({ now, clientId }) => ({
      scope: "all",
      client_id: clientId,
      firstVisionId: "00000AUNAB",
      exp: now + 3600,
    }),
    request: (token, { clientId, clientSecret }) => ({
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, client_id: clientId, client_secret: clientSecret }),
    }),
  },
});
