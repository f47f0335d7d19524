import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { reasonMessage } from "../contract/reasons.js";
import type { Check, Evidence, Instant, Principal, Rejected, Token, Verdict, Verified } from "../contract/verifier.js";
import { type JsonObject, readObject } from "../jws/json.js";
import { jsonProblem } from "../jws/json-problem.js";
import { quote } from "../util/printable.js";
import { checkResultName } from "./catalogue.js";
import { durationFromMillis } from "./protobuf.js";

// The contract's messages in JSON, by the JSON mapping of proto3: https://protobuf.dev/programming-guides/json/.

/** A body that is not a message of the contract. Its message names members and never contains a value. */
export class UnreadableMessage extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UnreadableMessage";
  }
}

/** A field that a request may have. */
interface JsonField {
  /** The member of the generated message. */
  readonly name: string;
  readonly type: "string" | "boolean" | "bytes" | JsonFields;
  /** The oneof that the field is a member of. */
  readonly oneof?: string;
}

/** The fields of a message, by both of their JSON names: lowerCamelCase, and as in the proto. */
type JsonFields = ReadonlyMap<string, JsonField>;

function fields(
  types: Readonly<Record<string, JsonField["type"]>>,
  oneofs: Readonly<Record<string, string>>,
): JsonFields {
  return new Map(
    Object.entries(types).flatMap(([proto, type]) => {
      const name = proto.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
      const oneof = oneofs[proto];
      const one: JsonField = { name, type, ...(oneof !== undefined && { oneof }) };
      return [[proto, one] as const, [name, one] as const];
    }),
  );
}

/** The messages that a request consists of; a test compares them with the proto. */
const CLIENT_CREDENTIALS = fields({ client_id: "string", client_secret: "string" }, {});
const DPOP_PROOF = fields({ proof: "string", method: "string", url: "string", nonce_required: "boolean" }, {});
const CLIENT_CERTIFICATE = fields({ sha256: "bytes", der: "bytes" }, { sha256: "form", der: "form" });
const PROOF = fields({ dpop: DPOP_PROOF, client_certificate: CLIENT_CERTIFICATE }, {});
const VERIFY_TOKEN_REQUEST = fields(
  {
    realm: "string",
    token: "string",
    instance_secret_key: "string",
    client_credentials: CLIENT_CREDENTIALS,
    explain: "boolean",
    proof: PROOF,
  },
  { instance_secret_key: "caller", client_credentials: "caller" },
);

/**
 * Reads a request from a JSON body.
 *
 * Null counts as absent. Refused are, besides values of a wrong type: unknown members, a field under both of its names,
 * and two members of a oneof.
 *
 * @throws {UnreadableMessage}
 */
export function requestFromJson(body: Buffer): VerifyTokenRequest {
  const document = readObject(body);
  if (document === undefined) throw new UnreadableMessage(jsonProblem(body));
  const partial: Partial<VerifyTokenRequest> = readFields(VERIFY_TOKEN_REQUEST, document.value, "");
  return VerifyTokenRequest.fromPartial(partial);
}

function readFields(known: JsonFields, value: JsonObject, place: string): Record<string, unknown> {
  const partial: Record<string, unknown> = {};
  /** The member by which a field or a oneof was set. */
  const setBy = new Map<string, string>();
  for (const [name, member] of Object.entries(value)) {
    const quoted = place === "" ? quote(name) : `${quote(name)} of ${place}`;
    const field = known.get(name);
    if (field === undefined) throw new UnreadableMessage(`There is no member ${quoted}.`);
    const target = field.oneof ?? field.name;
    // A null sets nothing, but it is a second spelling of its field.
    const earlier = setBy.get(member === null ? field.name : target);
    if (earlier !== undefined) {
      throw new UnreadableMessage(`The members ${quote(earlier)} and ${quoted} exclude each other.`);
    }
    setBy.set(field.name, name);
    if (member === null) continue;
    setBy.set(target, name);
    const read = readField(field, member, quoted);
    partial[target] = field.oneof === undefined ? read : { $case: field.name, value: read };
  }
  return partial;
}

function readField({ type }: JsonField, value: unknown, quoted: string): unknown {
  if (typeof type === "object") {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return readFields(type, value as JsonObject, quoted);
    }
    throw new UnreadableMessage(`The member ${quoted} must be an object.`);
  }
  if (typeof value === type) return value;
  if (type === "bytes" && typeof value === "string" && BASE64.test(value)) return Buffer.from(value, "base64");
  throw new UnreadableMessage(`The member ${quoted} must be ${TYPES[type]}.`);
}

const TYPES = { string: "a string", boolean: "true or false", bytes: "bytes in base64" };

/** Standard or URL-safe base64, with padding or without. */
const BASE64 = /^(?:[\w+/-]{4})*(?:[\w+/-]{2}(?:==)?|[\w+/-]{3}=?)?$/;

/** A message in JSON. Members that are undefined are left out when it is serialized. */
export type JsonMessage = Readonly<Record<string, unknown>>;

/** A verdict as a `VerifyTokenResponse`, without fields that have their default values. @throws RangeError for a time outside the years 1 to 9999 */
export function verdictToJson(verdict: Verdict): JsonMessage {
  const checks = verdict.checks.map(checkToJson);
  return {
    ...(verdict.kind === "verified" ? { verified: verifiedToJson(verdict) } : { rejected: rejectedToJson(verdict) }),
    ...(checks.length > 0 && { checks }),
    dpopNonce: text(verdict.dpopNonce),
  };
}

const verifiedToJson = ({ token, principal, evidence }: Verified): JsonMessage => ({
  token: tokenToJson(token),
  principal: principal && principalToJson(principal),
  evidence: evidenceToJson(evidence),
});

const tokenToJson = (token: Token): JsonMessage => ({
  subject: text(token.subject),
  issuer: text(token.issuer),
  audience: token.audience.length === 0 ? undefined : token.audience,
  expiresAt: timeToJson(token.expiresAt),
  notBefore: timeToJson(token.notBefore),
  issuedAt: timeToJson(token.issuedAt),
  id: text(token.id),
  keyId: text(token.keyId),
  algorithm: text(token.algorithm),
  payload: text(token.payload),
  confirmation: token.confirmation && {
    jkt: text(token.confirmation.jkt),
    x5tS256: text(token.confirmation.x5tS256),
  },
});

const principalToJson = ({ user, client }: Principal): JsonMessage => ({
  user: user && {
    id: text(user.id),
    // These are optional in the proto: empty is not absent.
    email: user.email,
    name: user.name,
    avatarUrl: user.avatarUrl,
    provider: user.provider,
    instanceId: text(user.instanceId),
    issuer: text(user.issuer),
  },
  client: client && { clientId: text(client.clientId) },
});

const evidenceToJson = (evidence: Evidence): JsonMessage => ({
  keySetAge: durationToJson(evidence.keySetAge),
  position: evidence.position && {
    // int64 and uint64 are strings in JSON.
    number: text(evidence.position.number === 0 ? "" : String(evidence.position.number)),
    mark: text(bytesToJson(evidence.position.mark)),
  },
  cacheableUntil: timeToJson(evidence.cacheableUntil),
  keySetStale: evidence.keySetStale || undefined,
  trustedKey: text(bytesToJson(evidence.trustedKey)),
  realmVersion: text(bytesToJson(evidence.realmVersion)),
  evaluatedAt: timeToJson(instantOf(evidence.evaluatedAt)),
  feedAge: durationToJson(evidence.feedAge),
});

const rejectedToJson = ({ reason, claim, form, hint, signatureVerified }: Rejected): JsonMessage => ({
  reason: reason && `REASON_${reason}`,
  claim: text(claim),
  message: reasonMessage(reason, claim, form),
  hint: text(hint),
  signatureVerified: signatureVerified || undefined,
});

const checkToJson = ({ name, result, reason, claim, message }: Check): JsonMessage => ({
  name: text(name),
  result: result && checkResultName(result),
  reason: reason && `REASON_${reason}`,
  claim: text(claim),
  message: text(message),
});

/** Bytes in JSON: padded base64. */
const bytesToJson = (base64url: string): string => Buffer.from(base64url, "base64url").toString("base64");

/** The time of a number of milliseconds since 1970. */
function instantOf(millis: number): Instant {
  const seconds = Math.floor(millis / 1000);
  return { seconds, nanos: Math.round((millis - seconds * 1000) * 1e6) };
}

const text = (value: string | undefined): string | undefined => (value === "" ? undefined : value);

/** The first second of the year 1 and the last one of the year 9999, the bounds of google.protobuf.Timestamp. */
const [FIRST_SECOND, LAST_SECOND] = [-62_135_596_800, 253_402_300_799];

/** A `google.protobuf.Timestamp` in JSON. @throws RangeError outside the years 1 to 9999 */
export function timeToJson(time: Instant | undefined): string | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  if (!(seconds >= FIRST_SECOND && seconds <= LAST_SECOND))
    throw new RangeError("a time is outside the years 1 to 9999");
  return new Date(seconds * 1000).toISOString().replace(".000Z", `${fraction(nanos)}Z`);
}

/** A `google.protobuf.Duration` in JSON. @param millis not negative */
export function durationToJson(millis: number): string;
export function durationToJson(millis: number | undefined): string | undefined;
export function durationToJson(millis: number | undefined): string | undefined {
  if (millis === undefined) return undefined;
  const { seconds, nanos } = durationFromMillis(millis);
  return `${seconds}${fraction(nanos)}s`;
}

/** Nanoseconds as 0, 3, 6 or 9 decimals. */
function fraction(nanos: number): string {
  return nanos === 0
    ? ""
    : `.${String(nanos)
        .padStart(9, "0")
        .replace(/(000){1,2}$/, "")}`;
}
