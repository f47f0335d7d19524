import grpc, { type ChannelOptions, type Client, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { FinishedCall } from "../../src/contract/call.js";
import type { CallContext, Outcome, VerificationRequest, Verified, Verifier } from "../../src/contract/verifier.js";
import { createServer, type ServiceLimits, type ServiceServer } from "../../src/grpc/server.js";
import { afterEachFile } from "../support/after-file.js";

// Servers on real ports, and a client without our generated code: proto-loader reads the .proto file.

export const LIMITS: ServiceLimits = {
  message: 4 * 1024 ** 2,
  headers: 16 * 1024,
  batch: 1000,
  connections: 10_000,
  watches: 100,
  streams: 100,
  idle: 300_000,
  connectionAge: 1_800_000,
  request: 10_000,
};

/** The time on every server's clock, in milliseconds; grpc-js takes its own deadlines from the machine's clock. */
export const NOW = Date.now();

export const VERIFIED: Verified = {
  kind: "verified",
  token: {
    subject: "jane",
    issuer: "https://issuer.example",
    audience: ["https://api.example"],
    expiresAt: { seconds: 1_900_000_000, nanos: 0 },
    notBefore: undefined,
    issuedAt: undefined,
    id: "t1",
    keyId: "k1",
    algorithm: "RS256",
    payload: '{"sub":"jane"}',
    confirmation: undefined,
  },
  principal: undefined,
  evidence: {
    keySetAge: undefined,
    keySetStale: false,
    position: { number: 1, mark: "AAAAAAAAAAAAAAAAAAAAAA" },
    cacheableUntil: undefined,
    trustedKey: "",
    realmVersion: "",
    evaluatedAt: 0,
    feedAge: undefined,
  },
  checks: [],
};

export const REJECTED: Outcome = {
  kind: "rejected",
  reason: "TOKEN_EXPIRED",
  claim: "exp",
  signatureVerified: false,
  checks: [],
};

/** A clock that goes on by so many milliseconds each time that it is read. */
export function tickingClock(millis: number): () => number {
  let now = NOW;
  return () => {
    now += millis;
    return now;
  };
}

/** A call that reached the verifier. */
export interface Asked {
  readonly request: VerificationRequest;
  readonly call: CallContext;
}

export interface Running {
  readonly server: ServiceServer;
  readonly address: string;
  readonly client: TestClient;
  readonly asked: Asked[];
  /** The calls, and the requests of batches, that the verifier was asked about. */
  readonly verified: (FinishedCall & { readonly outcome: Outcome })[];
  /** The calls that ended before they reached the verifier, each as its method and its failure's reason. */
  readonly refused: string[];
  /** Connections that were refused or cut, each as the reason and the client's address. */
  readonly cut: string[];
  /** The status codes of the calls that have ended. */
  readonly codes: number[];
  readonly faults: unknown[];
}

const running: Running[] = [];
afterEachFile(() =>
  Promise.all(
    running.splice(0).map(({ client, server }) => {
      client.raw.close();
      return server.close(100);
    }),
  ),
);

/** Starts a server whose verifier is the given function. */
export async function start(
  verify: Verifier["verify"],
  { grace, ...limits }: Partial<ServiceLimits> & { readonly grace?: number } = {},
  address = "127.0.0.1:0",
  clock = () => NOW,
): Promise<Running> {
  const asked: Asked[] = [];
  const verified: Running["verified"] = [];
  const refused: string[] = [];
  const cut: string[] = [];
  const codes: number[] = [];
  const faults: unknown[] = [];
  const server = createServer({
    limits: { ...LIMITS, ...limits },
    ...(grace !== undefined && { grace }),
    calls: {
      verifier: {
        verify: (request, call) => {
          asked.push({ request, call });
          return verify(request, call);
        },
      },
      clock,
      observer: {
        ended: (finished) => {
          const { call, caller, outcome } = finished;
          if (typeof outcome !== "object") throw new Error("a call over gRPC has an outcome");
          if (caller !== undefined) verified.push({ ...finished, outcome });
          else refused.push(`${call.via} ${outcome.kind === "failure" ? outcome.reason : outcome.kind}`);
        },
        fault: (_call, error) => void faults.push(error),
      },
      addressOf: (peer) => peer,
    },
    listener: { refused: ({ reason, address }) => void cut.push(`${reason} ${address}`) },
    ended: (_path, code) => void codes.push(code),
  });
  const bound = await server.listen(address);
  const self = { server, address: bound, client: testClient(bound), asked, verified, refused, cut, codes, faults };
  running.push(self);
  return self;
}

const PROTO = loadSync("tokenverifier/v1/token_verifier.proto", {
  includeDirs: ["proto"],
  arrays: true,
  oneofs: true,
  longs: Number,
  enums: String,
});
const loaded = grpc.loadPackageDefinition(PROTO) as unknown as {
  tokenverifier: { v1: { TokenVerifier: grpc.ServiceClientConstructor } };
};

export interface Answered {
  readonly value: any;
  readonly trailer: Metadata;
}

type Unary = "VerifyToken" | "BatchVerifyTokens";

export interface TestClient {
  readonly raw: Client & Record<string, any>;
  call(
    method: Unary,
    message: object,
    metadata?: Record<string, string>,
    options?: grpc.CallOptions,
  ): Promise<Answered>;
  stream(metadata?: Record<string, string>): grpc.ClientDuplexStream<object, any>;
}

function metadataOf(values: Record<string, string>): Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(values)) metadata.set(key, value);
  return metadata;
}

/** A client of the service at an address, with channel options of its own. */
export function testClient(address: string, options: ChannelOptions = {}): TestClient {
  const raw = new loaded.tokenverifier.v1.TokenVerifier(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
    ...options,
  });
  return {
    raw,
    call: (method, message, metadata = {}, options = {}) =>
      new Promise((resolve, reject) => {
        let value: unknown;
        const call = raw[method]?.(
          message,
          metadataOf(metadata),
          options,
          (error: ServiceError | null, got: unknown) => {
            if (error !== null) reject(error);
            value = got;
          },
        ) as grpc.ClientUnaryCall;
        call.on("status", (status) => resolve({ value, trailer: status.metadata }));
      }),
    stream: (metadata = {}) => {
      const stream = raw["StreamVerifyTokens"]?.(metadataOf(metadata));
      // A stream's status tells how it ends.
      stream.on("error", () => undefined);
      return stream;
    },
  };
}

/** Returns the error that a call fails with. @throws if the call succeeds */
export async function failing(call: Promise<unknown>): Promise<ServiceError> {
  const answer = await call.then(
    (value) => ({ value }),
    (error: unknown) => error as ServiceError,
  );
  if ("value" in answer) throw new Error(`did not fail: ${JSON.stringify(answer.value)}`);
  return answer;
}

/** Waits, one turn of the event loop at a time, until the condition holds. */
export async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise and the function that resolves it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** All messages of a stream, and the status that ended it. */
export function collect(stream: NodeJS.EventEmitter): Promise<{ messages: any[]; status: grpc.StatusObject }> {
  const messages: unknown[] = [];
  stream.on("data", (message) => messages.push(message));
  return new Promise((resolve) => stream.on("status", (status) => resolve({ messages, status })));
}
