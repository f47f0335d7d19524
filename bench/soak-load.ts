import { generateKeyPairSync, sign } from "node:crypto";
import http from "node:http";
import { type Client, type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import {
  BatchVerifyTokensRequest,
  StreamVerifyTokensRequest,
  VerifyTokenRequest,
} from "../gen/tokenverifier/v1/token_verifier.js";
import { asIs, call, channel, clowkRequest, METHODS, requestOf, verified } from "./calls.js";
import { SECRET } from "./deployment.js";
import { clowkToken, hs256, integuruToken, later, secretKeyOf } from "./directory-data.js";
import type { Issuer } from "./issuer.js";

// The requests of the soak: every kind that a service meets, good and bad.

/** The service and issuer that the load is for. */
export interface Target {
  readonly grpc: string;
  readonly http: string;
  readonly metrics: string;
  /** The issuer of the realm `issuer`, to which `any` routes. */
  readonly issuer: Issuer;
}

/** The client of the realm `fiserv`, as a line of an import. */
export const CLIENT = { clientId: "soak-client", clientSecret: "a-secret-of-the-soak" };

/** The number of users that calls are about, few enough to be all cached after the warm-up. */
export const USERS = 1_000;

/** The number of addresses that send wrong credentials, all of them counted after the warm-up. */
const STRANGERS = 1_000;

/** The number of streams that one connection cancels, since Node ends a connection that resets too many too fast. */
const CANCELLED = 500;

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** The public key of the realm `fiserv`, in PEM. */
export const PEM = publicKey.export({ type: "spki", format: "pem" }).toString();

let serial = 0;

/** Returns a function that cycles through the numbers below a count. */
function below(count: number): () => number {
  let next = 0;
  return () => next++ % count;
}

function fiservToken(): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { scope: "all", client_id: CLIENT.clientId, firstVisionId: "00000AUNAB", exp: later() };
  const input = `${encode({ alg: "RS256" })}.${encode(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), privateKey).toString("base64url")}`;
}

const freshToken = (): string => integuruToken(`${serial++}`, SECRET);

interface Sent {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string;
}

/** Makes an HTTP request. @returns the status */
function fetchStatus(address: string, path: string, agent: http.Agent, sent: Sent): Promise<number> {
  const [host, port] = address.split(":");
  const { method = "POST", headers = {}, body = "" } = sent;
  return new Promise((resolve, reject) => {
    http
      .request({ host, port, path, agent, method, headers }, (res) => {
        res.resume().on("end", () => resolve(res.statusCode ?? 0));
      })
      .on("error", reject)
      .end(body);
  });
}

const PATHS = { integuru: "/api/verify-token", clowk: "/api/v1/tokens/verify", fiserv: "/v1/api/oauth/validateToken" };

/** Sends one kind of request, and rejects if the answer is not the expected one. */
export type Sender = () => Promise<void>;

/** Returns the senders of all kinds of requests, by name. */
export function senders({ grpc, http: rest, metrics, issuer }: Target): Readonly<Record<string, Sender>> {
  const client = channel(grpc);
  const [oneUser, anotherUser, nobody, oneStranger] = [below(USERS), below(USERS), below(500), below(STRANGERS)];
  let cancelling = { client: channel(grpc), left: CANCELLED };
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const known = clowkRequest(0);
  const goodFiserv = fiservToken();
  const ask = async (request: Buffer): Promise<void> => void (await call(client, request));
  const verifies = async (request: Buffer): Promise<void> => {
    if (verified(await call(client, request)) === undefined) unexpected();
  };
  const refused = (request: Buffer, code: status): Promise<void> =>
    call(client, request).then(unexpected, (error: unknown) => expect((error as ServiceError).code, code));
  const json = { "Content-Type": "application/json" };
  const clowk = (secretKey: string, token: string, from = "10.0.0.1") => ({
    headers: { ...json, "X-Clowk-Secret-Key": secretKey, "X-Forwarded-For": from },
    body: JSON.stringify({ token }),
  });
  const some = (count: number) =>
    Array.from({ length: count }, () => VerifyTokenRequest.fromPartial({ realm: "integuru", token: freshToken() }));
  const rests = async (face: keyof typeof PATHS, sent: Sent, code: number, by = agent) =>
    expect(await fetchStatus(rest, PATHS[face], by, sent), code);
  return {
    "a token seen before": () => ask(known),
    "a user of many": () => ask(clowkRequest(oneUser())),
    "a user that is not there": () => {
      const token = clowkToken(0, { sub: `nobody-${nobody()}` });
      return ask(requestOf("clowk", token, secretKeyOf(0)));
    },
    "a token of its own": () => ask(requestOf("integuru", freshToken())),
    "a bad signature": () => ask(requestOf("integuru", `${freshToken().slice(0, -4)}AAAA`)),
    "no token": () => ask(requestOf("integuru", `junk ${serial++}`)),
    "an expired token": () => ask(requestOf("integuru", hs256({ exp: 1, n: serial++ }, SECRET))),
    "an unknown realm": () => refused(requestOf(`r${serial++}`, "t"), status.NOT_FOUND),
    "an undecodable request": () => refused(Buffer.from([0x0a, 0xff, 0x01]), status.INTERNAL),
    "a batch": async () => {
      const batch = BatchVerifyTokensRequest.fromPartial({ requests: some(20) });
      await call(client, Buffer.from(BatchVerifyTokensRequest.encode(batch).finish()), METHODS.batch);
    },
    "a stream": () => stream(client, some, false),
    "a stream that is cancelled": () => {
      if (cancelling.left-- === 0) {
        cancelling.client.close();
        cancelling = { client: channel(grpc), left: CANCELLED - 1 };
      }
      return stream(cancelling.client, some, true);
    },
    "a new channel": async () => {
      const another = channel(grpc);
      await call(another, known);
      another.close();
    },
    "a new HTTP connection": () =>
      rests("clowk", clowk(secretKeyOf(0), clowkToken(0)), 200, new http.Agent({ keepAlive: false })),
    Integuru: () => rests("integuru", { headers: { Authorization: `Bearer ${freshToken()}` } }, 200),
    Clowk: () => {
      const user = anotherUser();
      return rests("clowk", clowk(secretKeyOf(user), clowkToken(user)), 200);
    },
    Fiserv: () => {
      const body = { token: goodFiserv, client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret };
      return rests("fiserv", { headers: json, body: JSON.stringify(body) }, 200);
    },
    "JSON over Connect": async () => {
      const body = JSON.stringify({ realm: "any", token: issuer.token() });
      expect(await fetchStatus(rest, METHODS.verify, agent, { headers: json, body }), 200);
    },
    "a routed token": () => verifies(requestOf("any", issuer.token())),
    "an unknown kid": async () => {
      const [header = "", ...rest] = issuer.token().split(".");
      const other = JSON.stringify({ ...JSON.parse(Buffer.from(header, "base64url").toString()), kid: `x${serial++}` });
      const token = [Buffer.from(other).toString("base64url"), ...rest].join(".");
      // The fetch that does not find the key gives a rejection; until the next fetch is allowed, there is no verdict.
      await call(client, requestOf("issuer", token)).catch((error: unknown) =>
        expect((error as ServiceError).code, status.UNAVAILABLE),
      );
    },
    "a scrape": async () => expect(await fetchStatus(metrics, "/metrics", agent, { method: "GET" }), 200),
    "wrong credentials": () => {
      const stranger = oneStranger();
      const from = `10.1.${stranger >> 8}.${stranger & 255}`;
      return rests("clowk", clowk(`sk_wrong_of_the_soak_${stranger}`, "t", from), 401);
    },
  };
}

function stream(client: Client, some: (count: number) => VerifyTokenRequest[], isCancelled: boolean): Promise<void> {
  const open: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(METHODS.stream, asIs, asIs);
  let left = 3;
  return new Promise((resolve, reject) => {
    open.on("data", () => {
      left -= 1;
      if (left > 0) return;
      if (isCancelled) open.cancel();
      else open.end();
    });
    open.on("error", (error: ServiceError) => {
      if (!isCancelled || error.code !== status.CANCELLED) reject(error);
    });
    open.on("status", () => resolve());
    for (let n = 0; n < left; n++) {
      const message = StreamVerifyTokensRequest.fromPartial({ id: `${n}`, requests: some(4) });
      open.write(Buffer.from(StreamVerifyTokensRequest.encode(message).finish()));
    }
  });
}

function expect(found: number | undefined, expected: number): void {
  if (found !== expected) throw new Error(`${found} instead of ${expected}`);
}

function unexpected(): never {
  throw new Error("an answer where an error was due");
}
