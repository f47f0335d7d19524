import { constants, createHmac, sign } from "node:crypto";
import { expect } from "chai";
import type { ExpectedAnswer } from "../support/cases.js";
import { type Deployment, deploy } from "../support/deployment.js";
import { expectAnswer, expectOutcome } from "../support/expect.js";
import { createClient, type GrpcClient } from "../support/grpc.js";
import { exchange, type HttpRequest } from "../support/http.js";
import { keyOf, secretOf } from "../support/keys.js";
import { revocations } from "../support/revocations.js";

// Attacks are tables of flaws in a token, each with the reason that must be given for it. Each flaw is tried on
// every target that it fits, over gRPC and at the vendor's face. Each table has controls, which are made in the same
// way without the flaw and must verify.

/** A realm that is attacked, and what a good token for it has. */
export interface Target {
  readonly realm: string;
  readonly algorithm: string;
  /** Name of the test key that signs. */
  readonly key: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** The caller's credential, in the contract's names. */
  readonly caller?: Readonly<Record<string, unknown>>;
  readonly face?: "integuru" | "clowk" | "fiserv";
}

/** The time of the tests' clock, in seconds. */
export const NOW = 1_800_000_000;

const exp = NOW + 3600;
const plain = (algorithm: string, key: string): Target => ({
  realm: algorithm.toLowerCase(),
  algorithm,
  key,
  claims: { exp },
});

export const HS256 = plain("HS256", "hs256");
export const RS256 = plain("RS256", "rsa");
export const PS256 = plain("PS256", "rsa");
export const ES256 = plain("ES256", "p256");
export const ES384 = plain("ES384", "p384");
export const ES512 = plain("ES512", "p521");
export const EDDSA = plain("EdDSA", "ed25519");

const CLIENT = { client_id: "vision-api-user", client_secret: "abcdefghizklmnopponommnshfghzxxs" };

export const INTEGURU: Target = {
  realm: "integuru",
  face: "integuru",
  algorithm: "HS256",
  key: "integuru",
  claims: { token_type: "access", exp, jti: "a", client_app_id: "c", taiki_user_id: "u" },
};
export const CLOWK: Target = {
  realm: "clowk",
  face: "clowk",
  algorithm: "HS256",
  key: "clowk",
  claims: { iss: "clowk", exp, sub: "a1b2c3d4-e5f6-7890-abcd-ef1234567890", instance_id: "inst_abc123" },
  caller: { instance_secret_key: secretOf("clowk") },
};
export const FISERV: Target = {
  realm: "fiserv",
  face: "fiserv",
  algorithm: "RS256",
  key: "fiserv",
  claims: { exp, client_id: "vision-api-user" },
  caller: { client_credentials: CLIENT },
};

export const VENDORS: readonly Target[] = [INTEGURU, CLOWK, FISERV];

/** The targets of most flaws: one for each kind of key, and the vendors. */
export const TARGETS: readonly Target[] = [HS256, RS256, ES256, EDDSA, ...VENDORS];

/** A target for each algorithm, each in a realm that takes that algorithm alone. */
export const ALGORITHMS: readonly Target[] = [HS256, RS256, PS256, ES256, ES384, ES512, EDDSA];

type Of<T> = T | ((target: Target) => T);

/** The ways in which a token differs from a good one. */
export interface Flaw {
  /** The header's text or bytes (default: `{"alg":"..."}`). */
  readonly header?: Of<string | Buffer>;
  /** The payload's text or bytes (default: the target's claims). */
  readonly payload?: Of<string | Buffer>;
  /** Makes the signature (default: the right one). */
  readonly signature?: (input: string, target: Target) => Buffer;
  /** Spells header and payload before they are signed. */
  readonly spell?: (segment: string) => string;
  /** Changes the finished token. */
  readonly after?: (token: string, target: Target) => string;
}

/**
 * A row: the flaw's name, the flaw, and its outcome as `REASON claim` or `verified`, or by target; a target without
 * an outcome is skipped.
 */
export type Row = readonly [name: string, flaw: Flaw, outcome: Of<string | undefined>];

export const encode = (text: string | Buffer): string => Buffer.from(text).toString("base64url");
export const decode = (text: string): Buffer => Buffer.from(text, "base64url");

/** The right signature for a target over a text. */
export function signatureOf(
  { algorithm, key }: Pick<Target, "algorithm" | "key">,
  input: string,
  hashName?: string,
): Buffer {
  const { signer } = keyOf(key);
  const data = Buffer.from(input);
  if (algorithm === "EdDSA") return sign(null, data, signer);
  const hash = hashName ?? `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith("HS")) return createHmac(hash, signer).update(data).digest();
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
  if (algorithm.startsWith("PS")) return sign(hash, data, { key: signer, padding, saltLength });
  return sign(hash, data, algorithm.startsWith("ES") ? { key: signer, dsaEncoding: "ieee-p1363" } : signer);
}

const given = <T>(value: Of<T> | undefined, target: Target): T | undefined =>
  typeof value === "function" ? (value as (target: Target) => T)(target) : value;

/** The header's text for a target, with more members. */
export const headerWith =
  (more: string) =>
  (target: Target): string =>
    `{"alg":"${target.algorithm}",${more}}`;

/** The payload's text for a target, with other claims; undefined removes one. */
export const claimsWith =
  (more: Readonly<Record<string, unknown>>) =>
  (target: Target): string =>
    JSON.stringify({ ...target.claims, ...more });

/** The payload's text for a target, with members after its own. */
export const payloadWith =
  (more: string) =>
  (target: Target): string =>
    `${JSON.stringify(target.claims).slice(0, -1)},${more}}`;

/** Makes a token for a target, with or without a flaw. */
export function makeToken(target: Target, flaw: Flaw = {}): string {
  const { spell = (segment: string) => segment, after = (token: string) => token } = flaw;
  const header = given(flaw.header, target) ?? `{"alg":"${target.algorithm}"}`;
  const payload = given(flaw.payload, target) ?? JSON.stringify(target.claims);
  const input = `${spell(encode(header))}.${spell(encode(payload))}`;
  const signature = flaw.signature?.(input, target) ?? signatureOf(target, input);
  return after(`${input}.${encode(signature)}`, target);
}

const json = { "Content-Type": "application/json" };

/** The request that asks a vendor's face about a token. */
export function faceRequest(target: Target, token: string): HttpRequest {
  const request = (path: string, headers: Record<string, string>, body?: unknown): HttpRequest => ({
    method: "POST",
    target: path,
    headers: Object.entries(headers),
    body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
  });
  switch (target.face) {
    case "integuru":
      return request("/api/verify-token", { Authorization: `Bearer ${token}` });
    case "clowk": {
      const key = String(target.caller?.["instance_secret_key"]);
      return request("/api/v1/tokens/verify", { ...json, "X-Clowk-Secret-Key": key }, { token });
    }
    default: {
      const client = target.caller?.["client_credentials"] ?? {};
      return request("/v1/api/oauth/validateToken", json, { token, ...client });
    }
  }
}

const INVALID = (message: string): ExpectedAnswer => ({
  status: 401,
  body: `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"${message}"}]}`,
  headers: { Allow: "POST, OPTIONS", "WWW-Authenticate": 'Bearer realm="api"' },
});
const NO_USER: ExpectedAnswer = {
  ...INVALID(""),
  body: '{"detail":"Token contained no recognizable user identification","code":"token_not_valid"}',
};
const clowk = (error: string, status = 401): ExpectedAnswer => ({
  status,
  body: status === 401 ? `{"valid":false,"error":"${error}"}` : `{"error":"${error}"}`,
});

/**
 * The answers of each face to a rejection, by reason and claim, by reason, or else. They come from the vendors'
 * pages, and not from src.
 */
const SAID: Readonly<Record<"integuru" | "clowk" | "fiserv", Readonly<Record<string, ExpectedAnswer>>>> = {
  integuru: {
    "CLAIM_MISSING exp": INVALID("Token has no 'exp' claim"),
    "CLAIM_MISSING jti": INVALID("Token has no id"),
    "CLAIM_MISSING token_type": INVALID("Token has no type"),
    "CLAIM_MISMATCH token_type": INVALID("Token has wrong type"),
    "CLAIM_MISSING taiki_user_id": NO_USER,
    else: INVALID("Token is invalid or expired"),
  },
  clowk: {
    TOKEN_MALFORMED: clowk("Token malformed"),
    TOKEN_TOO_LARGE: clowk("Token malformed"),
    HEADER_REFUSED: clowk("Token malformed"),
    INSTANCE_MISMATCH: clowk("Token does not belong to this instance"),
    ALGORITHM_MISMATCH: clowk("Token invalid signature"),
    SIGNATURE_INVALID: clowk("Token invalid signature"),
    TOKEN_EXPIRED: clowk("Token expired"),
    TOKEN_NOT_YET_VALID: clowk("Token not yet valid"),
    ISSUER_MISMATCH: clowk("Token invalid issuer"),
    TOKEN_REVOKED: clowk("Token revoked"),
    USER_UNKNOWN: clowk("User not found", 404),
    else: clowk("Token invalid claims"),
  },
  fiserv: { else: { status: 200, body: '{"valid":false}' } },
};

/** The answer that a face must give to a rejection. */
function saidBy(face: keyof typeof SAID, rejection: string): ExpectedAnswer {
  const said = SAID[face];
  const [reason = ""] = rejection.split(" ");
  return said[rejection] ?? said[reason] ?? said["else"]!;
}

/** The service that is attacked. */
export interface Attacked {
  readonly deployment: Deployment;
  readonly client: GrpcClient;
}

/** Starts the service before the tests of a block, and stops it after them. */
export function attacked(configuration = "verifier-attacks.yaml"): () => Attacked {
  let service: Attacked;
  before(async () => {
    const deployment = await deploy(configuration, { commands: revocations() });
    service = { deployment, client: createClient(deployment.grpc) };
  });
  after(async () => {
    service.client.close();
    await service.deployment.close();
  });
  return () => service;
}

/** Asks a target about a token over gRPC, and compares the outcome with `verified` or `REASON claim`. */
export async function expectGrpc({ client }: Attacked, target: Target, token: string, outcome: string): Promise<void> {
  const [reason = "", claim = ""] = outcome.split(" ");
  const answer = await client.verify({ realm: target.realm, token, ...target.caller });
  expectOutcome(answer, outcome === "verified" ? { verified: {} } : { rejected: reason, claim }, {
    payload: undefined,
  });
}

/**
 * Asks the vendor's face about a token, and compares its answer to the byte; does nothing for a target without a
 * face.
 */
export async function expectFace(
  { deployment }: Attacked,
  target: Target,
  token: string,
  outcome: string,
): Promise<void> {
  const { face } = target;
  // A token that no header can carry cannot be asked about there; test/cases/integuru.yaml has such headers.
  if (face === undefined || (face === "integuru" && !/^[\x21-\x7e]+$/.test(token))) return;
  const answer = await exchange(deployment.inProcess, faceRequest(target, token));
  if (outcome === "verified") expect(answer.status, answer.body).to.equal(200);
  else expectAnswer(answer, saidBy(face, outcome));
  if (outcome === "verified" && face === "fiserv") expect(answer.body).to.equal('{"valid":true}');
}

/**
 * Tries each row of a table on each of the targets. A table without a control fails, and so does a row without a
 * target.
 */
export function attack(title: string, service: () => Attacked, rows: readonly Row[], targets = TARGETS): void {
  describe(title, () => {
    const controls = new Set<Target>();
    for (const [name, flaw, outcome] of rows) {
      const concerned = targets.filter((target) => given(outcome, target) !== undefined);
      it(`${title}: ${name} ${typeof outcome === "string" ? `is ${outcome}` : "has the outcome of each target"}`, async () => {
        expect(concerned, "targets").to.not.have.length(0);
        await Promise.all(
          concerned.map(async (target) => {
            const expected = given(outcome, target)!;
            if (expected === "verified") controls.add(target);
            const token = makeToken(target, flaw);
            try {
              await expectGrpc(service(), target, token, expected);
              await expectFace(service(), target, token, expected);
            } catch (error) {
              throw new Error(`${target.realm}: ${token.slice(0, 300)}: ${String(error)}`, { cause: error });
            }
          }),
        );
      });
    }

    it(`${title}: each target has a valid control`, () => {
      expect(targets.filter((target) => !controls.has(target)).map(({ realm }) => realm)).to.deep.equal([]);
    });
  });
}

/** The control of most tables: a token without any flaw. */
export const CONTROL: Row = ["control: a flawless token", {}, "verified"];
