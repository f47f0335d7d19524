import { z } from "zod";
import type { FailureReason } from "../contract/failures.js";
import type { Credential, Failure, Outcome } from "../contract/verifier.js";
import { readJson } from "../jws/json.js";
import { claimNameProblem } from "../jws/json-pointer.js";
import type { Policy } from "../verifier/realm.js";

/** The head of a request, as a face sees it. */
export interface FaceRequest {
  /** Upper case, as sent. */
  readonly method: string;
  /** The values of a header as they were sent, none joined or dropped; empty if it is absent. @param name in lower case */
  values(name: string): readonly string[];
}

/** An answer, to the byte. */
export interface Answer {
  readonly status: number;
  /**
   * Headers besides those that every answer has: `Content-Type: application/json`, `Content-Length`, `Cache-Control`,
   * `X-Content-Type-Options` and `X-Request-Id`. One of the same name, spelled the same, replaces it.
   */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Compact JSON. */
  readonly body: string;
}

/** A question for the verifier; the gateway adds the realm. */
export interface Question {
  /** Empty to ask about the caller alone: see {@link callerFirst}. */
  readonly token: string;
  readonly credential?: Credential;
  /** The answer to a known caller whose request is faulty; the face's `write` answers any other caller. */
  readonly otherwise?: Answer;
}

/** Asks about the caller alone: a known caller gets the answer `otherwise`, any other caller what the face's `write` says. */
export function callerFirst(credential: Credential, otherwise: Answer): Question {
  return { token: "", credential, otherwise };
}

/** Asks for a request's body. */
export interface BodyReader {
  /** The caller, if the head says who that is. A client that waits for `100 Continue` gets it once this caller is known. */
  readonly credential?: Credential;
  /** Makes the question from the body. @param body all of it; undefined if it is longer than `limits.body` */
  readonly readBody: (body: Buffer | undefined) => Question | Answer;
}

/** A vendor's endpoint: reads the vendor's requests and writes the vendor's answers. Neither function waits for anything. */
export interface Face {
  /** Finds the question in a request's head, asks for the body, or answers at once. */
  readonly read: (request: FaceRequest) => Question | BodyReader | Answer;
  /** The answer to an outcome. */
  readonly write: (outcome: Outcome, request: FaceRequest) => Answer;
}

/** Ids and secrets of the development directory, for an example that works. */
export interface ExampleValues {
  /** Seconds since 1970. */
  readonly now: number;
  readonly instanceId: string;
  readonly appId: string;
  readonly userId: string;
  readonly secretKey: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A vendor: the policy of its tokens, the face it shows, and the settings of both. */
export interface Vendor<
  PolicyShape extends z.ZodRawShape = z.ZodRawShape,
  FaceShape extends z.ZodRawShape = z.ZodRawShape,
> extends Pick<Policy, "algorithms" | "keysOf"> {
  /** Who may ask: `instances` or `clients`, by their credentials, or `anyone`. */
  readonly callers: Extract<Policy["callers"], string>;
  /** The preset's and the face's name in the configuration. */
  readonly name: string;
  /** The endpoint's path, exact: letters, digits, `.`, `_`, `-` and `/`. */
  readonly path: string;
  /** The default of `maxTokenLength`, in characters. */
  readonly maxTokenLength: number;
  /** Settings of the realm that the policy takes, besides those of every realm. */
  readonly policySettings: PolicyShape;
  /** Settings of the realm that the face takes; a gateway on its own needs no others. */
  readonly faceSettings: FaceShape;
  /** The policy of the vendor's tokens, except the members above and the settings of every realm. */
  policy(settings: z.infer<z.ZodObject<PolicyShape>>): VendorPolicy;
  /** The face. @param maxTokenLength characters */
  face(settings: z.infer<z.ZodObject<FaceShape>>, maxTokenLength: number): Face;
  /** A token and a `POST` to the endpoint that is answered with 200: `mint` signs the token, `serve` prints the request. */
  readonly example: {
    claims(values: ExampleValues, settings: z.infer<z.ZodObject<PolicyShape>>): Record<string, unknown>;
    request(
      token: string,
      values: ExampleValues,
    ): { readonly headers: Readonly<Record<string, string>>; readonly body?: string };
  };
}

/** The part of a policy that depends on a vendor's settings. */
export type VendorPolicy = Pick<Policy, "ignoreHeaders" | "clockTolerance" | "rules" | "subject">;

/** A setting that names a claim: one member of the payload as it is, or a JSON Pointer (RFC 6901) if it begins with `/`. */
export const claimName = z.string().superRefine((name, context) => {
  const problem = claimNameProblem(name);
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
});

/** Declares a vendor, and infers the types of its settings. Its schemas must parse the settings before `policy` or `face` get them. */
export function defineVendor<P extends z.ZodRawShape, F extends z.ZodRawShape>(vendor: Vendor<P, F>): Vendor {
  return vendor;
}

/** Kinds of failures, each with one answer of the vendor. */
export type FailureKind = "caller missing" | "caller unknown" | "throttled" | "unavailable" | "unexpected";

const FAILURE_KINDS: Readonly<Record<FailureReason, FailureKind>> = {
  CALLER_MISSING: "caller missing",
  CALLER_UNKNOWN: "caller unknown",
  RATE_LIMITED: "throttled",
  TOO_MANY_STREAMS: "unavailable",
  TOO_MANY_WATCHES: "unavailable",
  KEYS_UNAVAILABLE: "unavailable",
  DIRECTORY_UNAVAILABLE: "unavailable",
  NO_VERDICT: "unavailable",
  TOO_MANY_KEYS: "unavailable",
  KEY_REFUSED: "unavailable",
  TOO_MANY_PROOFS: "unavailable",
  TIMED_OUT: "unavailable",
  SHUTTING_DOWN: "unavailable",
  VERIFIER_UNAVAILABLE: "unavailable",
  REALM_UNKNOWN: "unexpected",
  TOKEN_EMPTY: "unexpected",
  CREDENTIAL_REFUSED: "unexpected",
  CALLER_DENIED: "unexpected",
  EXPLAIN_DENIED: "unexpected",
  BATCH_TOO_LARGE: "unexpected",
  TOO_MANY_CALLERS: "unexpected",
  ID_TOO_LONG: "unexpected",
  WATCH_DENIED: "unexpected",
  WATCH_NOT_OPENED: "unexpected",
  INTERNAL: "unexpected",
};

/** The kind of a failure. */
export function failureKind({ reason }: Failure): FailureKind {
  return FAILURE_KINDS[reason];
}

/** The vendor's answer to a failure, with {@link retryAfter}. */
export function answerFailure(answers: Readonly<Record<FailureKind, Answer>>, failure: Failure): Answer {
  const answer = answers[failureKind(failure)];
  return { ...answer, headers: { ...answer.headers, ...retryAfter(failure) } };
}

/** The `Retry-After` of a failure (RFC 9110, section 10.2.3), in whole seconds, at least 1; no header if a retry does not help. */
export function retryAfter(failure: Failure): Record<string, string> {
  const millis = failure.retryAfter;
  return millis === undefined ? {} : { "Retry-After": String(Math.max(1, Math.ceil(millis / 1000))) };
}

/** An answer with a JSON body. */
export function json(status: number, body: unknown, headers: Answer["headers"] = {}): Answer {
  return { status, headers, body: JSON.stringify(body) };
}

/** Most levels of nesting in a request's body, as in Jackson. A garbage collection visits every level that a request opens. */
const MAX_BODY_DEPTH = 1000;

/** Reads a request's body as JSON, as {@link readJson} does. @returns undefined if it is not JSON, or nested deeper than 1000 levels */
export function jsonBody(body: Buffer): unknown {
  return readJson(body, MAX_BODY_DEPTH);
}

/** A header's value, or a part of it, without the spaces and tabs around it (OWS: RFC 9110, section 5.6.3). */
export function withoutSpace(value: string): string {
  let [start, end] = [0, value.length];
  while (start < end && isSpace(value, start)) start++;
  while (end > start && isSpace(value, end - 1)) end--;
  return value.slice(start, end);
}

const isSpace = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code === SPACE || code === TAB;
};
const SPACE = 0x20;
const TAB = 0x09;

/** The media type of a request's body, in lower case and without parameters; undefined if there is no content type. */
export function mediaType(request: FaceRequest): string | undefined {
  const sent = request.values("content-type")[0] ?? "";
  if (sent === "application/json") return sent;
  const value = withoutSpace(sent);
  return value === "" ? undefined : withoutSpace(value.split(";", 1)[0] ?? "").toLowerCase();
}
