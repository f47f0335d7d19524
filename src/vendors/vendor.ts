import type { z } from "zod";
import type { FailureReason } from "../contract/failures.js";
import type { Credential, Failure, Outcome } from "../contract/verifier.js";
import type { Policy } from "../verifier/realm.js";

/** A request as a face sees it. */
export interface FaceRequest {
  /** Upper case, as sent. */
  readonly method: string;
  /** Header names in lower case, with each header's values as they were sent, none joined or dropped. */
  readonly headers: Readonly<Partial<Record<string, readonly string[]>>>;
  /**
   * Reads the body, whole; undefined where it is longer than `limits.body`. The first call asks a client that waits for
   * it (`Expect: 100-continue`) to go on, so a face calls it only when it wants the body.
   */
  readonly body: () => Promise<Buffer | undefined>;
}

/** An answer, to the byte. The gateway adds what all answers carry: the content type, `Cache-Control`, `X-Content-Type-Options`. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Compact JSON. */
  readonly body: string;
}

/** What a face asks of the verifier. The realm is the gateway's affair. */
export interface Question {
  readonly token: string;
  readonly credential?: Credential;
}

/** Asks the verifier. Neither throws nor rejects. */
export type Ask = (question: Question) => Outcome | Promise<Outcome>;

/** A vendor's endpoint: reads requests of the vendor's form, writes answers in the vendor's words. */
export interface Face {
  /** Finds the question in a request, or answers at once. It may ask a question of its own first (who is calling?). */
  readonly read: (request: FaceRequest, ask: Ask) => Promise<Question | Answer>;
  /** The answer to an outcome. */
  readonly write: (outcome: Outcome, request: FaceRequest) => Answer;
}

/** Ids and secrets for a token and a request that work, on a development machine. */
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

/** All there is to a vendor: the policy of its tokens, the face it shows, and the settings of both. */
export interface Vendor<
  PolicyShape extends z.ZodRawShape = z.ZodRawShape,
  FaceShape extends z.ZodRawShape = z.ZodRawShape,
> extends Pick<Policy, "algorithms" | "keysOf"> {
  /** A preset knows its callers by their credentials, or takes anyone. */
  readonly callers: Extract<Policy["callers"], string>;
  /** The preset's and the face's name in the configuration. */
  readonly name: string;
  /** The endpoint's path, exact: letters, digits, `.`, `_`, `-` and `/`. */
  readonly path: string;
  /** Where `maxTokenLength` is not configured: characters. */
  readonly maxTokenLength: number;
  /** The realm's settings that the policy takes, beside those that every realm has. */
  readonly policySettings: PolicyShape;
  /** The realm's settings that the face takes; all that a gateway on its own needs to know. */
  readonly faceSettings: FaceShape;
  /** The policy of the vendor's tokens, but for what stands beside it here and what any realm may configure. */
  policy(settings: z.infer<z.ZodObject<PolicyShape>>): VendorPolicy;
  /** The face. @param maxTokenLength characters */
  face(settings: z.infer<z.ZodObject<FaceShape>>, maxTokenLength: number): Face;
  /** For `mint` and for the requests that a newcomer is given. */
  readonly example: {
    claims(values: ExampleValues, settings: z.infer<z.ZodObject<PolicyShape>>): Record<string, unknown>;
    request(
      token: string,
      values: ExampleValues,
    ): { readonly headers: Readonly<Record<string, string>>; readonly body?: string };
  };
}

/** What a vendor says of its tokens, given its settings. */
export type VendorPolicy = Pick<Policy, "ignoreHeaders" | "clockTolerance" | "rules" | "subject">;

/** Declares a vendor, its settings' types inferred. Whoever gets it as a plain {@link Vendor} has to parse settings by its own schemas first. */
export function defineVendor<P extends z.ZodRawShape, F extends z.ZodRawShape>(vendor: Vendor<P, F>): Vendor {
  return vendor;
}

/**
 * Asks who is calling, before anything else of a request is looked at: with an empty token there is nothing else to
 * judge.
 *
 * @returns undefined for a good caller; otherwise the failure to answer with
 */
export async function judgeCaller(ask: Ask, credential: Credential): Promise<Failure | undefined> {
  const outcome = await ask({ token: "", credential });
  return outcome.kind === "failure" && outcome.reason !== "TOKEN_EMPTY" ? outcome : undefined;
}

/** What a failure means to a face, whose vendor has one answer for each kind. */
export type FailureKind = "caller missing" | "caller unknown" | "throttled" | "unavailable" | "unexpected";

const FAILURE_KINDS: Readonly<Record<FailureReason, FailureKind>> = {
  CALLER_MISSING: "caller missing",
  CALLER_UNKNOWN: "caller unknown",
  RATE_LIMITED: "throttled",
  TOO_MANY_STREAMS: "unavailable",
  KEYS_UNAVAILABLE: "unavailable",
  DIRECTORY_UNAVAILABLE: "unavailable",
  NO_VERDICT: "unavailable",
  TOO_MANY_KEYS: "unavailable",
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
  INTERNAL: "unexpected",
};

/** The kind of a failure. */
export function failureKind({ reason }: Failure): FailureKind {
  return FAILURE_KINDS[reason];
}

/** The `Retry-After` of a failure (RFC 9110, section 10.2.3), in whole seconds, at least 1; no header where trying again is no use. */
export function retryAfter(failure: Failure): Record<string, string> {
  const millis = failure.retryAfter;
  return millis === undefined ? {} : { "Retry-After": String(Math.max(1, Math.ceil(millis / 1000))) };
}

/** An answer with a JSON body. */
export function json(status: number, body: unknown, headers: Answer["headers"] = {}): Answer {
  return { status, headers, body: JSON.stringify(body) };
}

/** A header's value, or a part of it, without the spaces and tabs around it (OWS: RFC 9110, section 5.6.3); no other white space is any. */
export function withoutSpace(value: string): string {
  let [start, end] = [0, value.length];
  while (start < end && isSpace(value, start)) start++;
  while (end > start && isSpace(value, end - 1)) end--;
  return value.slice(start, end);
}

const isSpace = (text: string, at: number): boolean => text[at] === " " || text[at] === "\t";

/** The media type of a request's body, in lower case and without parameters; undefined where there is no content type. */
export function mediaType(request: FaceRequest): string | undefined {
  const value = withoutSpace(request.headers["content-type"]?.[0] ?? "");
  return value === "" ? undefined : withoutSpace(value.split(";", 1)[0] ?? "").toLowerCase();
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The JSON value of a request's body; undefined where it is not JSON in UTF-8. */
export function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(UTF8.decode(body)) as unknown;
  } catch {
    return undefined;
  }
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
