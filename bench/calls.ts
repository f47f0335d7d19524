import { Client, credentials } from "@grpc/grpc-js";
import { VerifyTokenRequest, VerifyTokenResponse } from "../gen/tokenverifier/v1/token_verifier.js";
import { clowkToken, secretKeyOf } from "./directory-data.js";

/** The methods' paths. */
export const METHODS = {
  verify: "/tokenverifier.v1.TokenVerifier/VerifyToken",
  batch: "/tokenverifier.v1.TokenVerifier/BatchVerifyTokens",
  stream: "/tokenverifier.v1.TokenVerifier/StreamVerifyTokens",
};

/** Requests are encoded in advance and answers are not decoded, so that the clients cost little. */
export const asIs = (bytes: Buffer): Buffer => bytes;

/** Opens a separate channel. @param shown the credentials of the channel (default: plaintext) */
export const channel = (address: string, shown = credentials.createInsecure()): Client =>
  new Client(address, shown, { "grpc.use_local_subchannel_pool": 1 });

/** Encodes a request. */
export function requestOf(realm: string, token: string, instanceSecretKey?: string): Buffer {
  const caller =
    instanceSecretKey === undefined ? undefined : ({ $case: "instanceSecretKey", value: instanceSecretKey } as const);
  return Buffer.from(VerifyTokenRequest.encode({ realm, token, caller, explain: false, proof: undefined }).finish());
}

/** Encodes a request about a good token of user n of the benchmarks' directory, in the realm `clowk`. */
export function clowkRequest(user: number, extra?: Readonly<Record<string, unknown>>): Buffer {
  return requestOf("clowk", clowkToken(user, extra), secretKeyOf(user));
}

/** Makes one gRPC call and returns the answer's bytes. */
export function call(client: Client, request: Buffer, method = METHODS.verify): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(method, asIs, asIs, request, (error, answer) =>
      error === null && answer !== undefined ? resolve(answer) : reject(error ?? new Error("no answer")),
    );
  });
}

/** Returns the content of an answer that verifies the token, and undefined for any other. */
export function verified(answer: Buffer): { readonly position: string } | undefined {
  const { verdict } = VerifyTokenResponse.decode(answer);
  return verdict?.$case === "verified"
    ? { position: String(verdict.value.evidence?.position?.number ?? "") }
    : undefined;
}
