import { METHODS } from "./calls.js";
import type { Contender } from "./compare.js";
import type { GrpcClient } from "./grpc-load.js";
import { type HttpClient, postOf } from "./http-load.js";
import { type Load, load } from "./measured.js";
import { describeAnswer, item, type Shape } from "./messages.js";
import type { Signer } from "./tokens.js";
import { realmName } from "./verifying-service.js";

// Loads: tokens in the order that they are asked about, in the shape of a call.

/** The calls, or messages of streams, in flight. */
const IN_FLIGHT = 64;
/** The streams that carry them: a server answers 16 messages of one at a time. */
const STREAMS = 4;
/** The requests over HTTP/1.1 in flight, each on a connection. */
const CONNECTIONS = 32;

/** A token and the realm that it is for. */
export interface Ask {
  readonly realm: string;
  readonly token: string;
}

/** Returns the next token of some. */
export type Supply = () => Ask;

/** Returns some tokens again and again. @param n of the realm (default 0) */
export function rotation(signer: Signer, tokens: readonly string[], n = 0): Supply {
  const realm = realmName(signer, n);
  let turn = 0;
  return () => ({ realm, token: tokens[turn++ % tokens.length] ?? "" });
}

/**
 * Returns each token once in each realm. A fact belongs to a realm, and the service compares nothing across realms. So a
 * token is as fresh in the next realm as it was in the first, and costs its digest, reading, signature and fact again.
 */
export function once(signer: Signer, tokens: readonly string[], realms: number): Supply {
  let turn = 0;
  return () => {
    const realm = Math.floor(turn / tokens.length);
    if (realm >= realms) throw new Error(`all fresh tokens of ${signer.algorithm} are used up`);
    return { realm: realmName(signer, realm), token: tokens[turn++ % tokens.length] ?? "" };
  };
}

/** Makes the message of a call. */
export function frameOf(shape: Shape, next: Supply): Buffer {
  return shape.frame(
    Array.from({ length: shape.tokens }, () => {
      const { realm, token } = next();
      return item(realm, token);
    }),
  );
}

/** Makes a call, all of whose tokens must verify. @param method default: the shape's */
export async function verifyBy(client: GrpcClient, shape: Shape, next: Supply, method = shape.method): Promise<Buffer> {
  const answer = await client.call(method, frameOf(shape, next));
  if (!shape.isGood(answer)) throw notVerified(shape, answer);
  return answer;
}

const notVerified = (shape: Shape, answer: Buffer): Error =>
  new Error(`${shape.name}: not all tokens are verified: ${describeAnswer(shape, answer)}`);

/** Returns a load of calls, or of messages of streams. @param method default: the shape's */
export function grpcLoad(client: GrpcClient, shape: Shape, next: Supply, method = shape.method): Load {
  if (!shape.isStream) return load(IN_FLIGHT, async () => void (await verifyBy(client, shape, next, method)));
  return async (count) => {
    const streams = Array.from({ length: STREAMS }, () => client.stream(method));
    let turn = 0;
    const all = load(IN_FLIGHT, async () => {
      const answer = await streams[turn++ % STREAMS]?.send(frameOf(shape, next));
      if (answer !== undefined && !shape.isGood(answer)) throw notVerified(shape, answer);
    });
    await all(count);
    await Promise.all(streams.map((stream) => stream.end()));
  };
}

/** Returns a load of VerifyToken as JSON over HTTP. */
export const connectLoad = (client: HttpClient, next: Supply): Load =>
  httpLoad(client, () => postOf(METHODS.verify, { "Content-Type": "application/json" }, JSON.stringify(next())));

/** Returns a load of GETs with a bearer token. */
export const bearerLoad = (client: HttpClient, next: Supply): Load =>
  httpLoad(client, () => postOf("/", { Authorization: `Bearer ${next().token}` }));

/** Returns a load of requests over HTTP/1.1. @param length of each answer's body, to 8 bytes; undefined for any */
export function httpLoad(client: HttpClient, request: () => Buffer, length?: number): Load {
  return load(CONNECTIONS, async () => {
    const body = await client.send(request());
    if (length !== undefined && Math.abs(body.length - length) > 8)
      throw new Error(`an answer of ${body.length} bytes`);
  });
}

/** The CPU of this process, for work that needs no server. */
export const THIS_PROCESS: Contender["server"] = {
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return Promise.resolve(user + system);
  },
};

/** Returns a load of work in this process, one after the other. @param verify returns false for a bad token */
export function inProcess(next: Supply, verify: (ask: Ask) => boolean | Promise<boolean>): Load {
  return async (count) => {
    for (let n = 0; n < count; n++) {
      const is = verify(next());
      if (!(typeof is === "boolean" ? is : await is)) throw new Error("a good token is not verified");
    }
  };
}
