import { fileURLToPath } from "node:url";
import { type Client, credentials, loadPackageDefinition, Metadata, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import { GoogleError } from "google-gax";

// An independent client, in which proto-loader reads the published .proto files and google-gax the error details; it uses
// nothing of src or gen.

const definition = loadSync("tokenverifier/v1/token_verifier.proto", {
  includeDirs: [fileURLToPath(new URL("../../proto", import.meta.url))],
  keepCase: true,
  longs: String,
  enums: String,
  oneofs: false,
});

const NAME = "tokenverifier.v1.TokenVerifier";

/** A message in proto-loader's form, with the contract's field names and without unset fields. */
export type Message = Readonly<Record<string, unknown>>;

/** The result of a request: its verdict or its error. */
export type Answer = { readonly verdict: Message } | { readonly error: CallError };

/** The error of a call, from its status and details. */
export interface CallError {
  readonly code: number;
  /** The reason in google.rpc.ErrorInfo. */
  readonly reason: string | undefined;
  readonly domain: string | undefined;
  /** The delay in google.rpc.RetryInfo, in seconds. */
  readonly retryAfter: number | undefined;
  readonly message: string;
}

/** An item of the answer to a batch. */
export type Item = Answer;

type Unary = (
  request: Message,
  metadata: Metadata,
  callback: (error: ServiceError | null, response?: Message) => void,
) => void;

type Stub = Client & {
  readonly VerifyToken: Unary;
  readonly BatchVerifyTokens: Unary;
  readonly StreamVerifyTokens: () => Stream;
};

/** A stream in grpc-js's form. */
export interface Stream {
  write(message: Message): void;
  end(): void;
  cancel(): void;
  on(event: "data", listener: (message: Message) => void): Stream;
  on(event: "error", listener: (error: ServiceError) => void): Stream;
  on(event: "end", listener: () => void): Stream;
}

/** A client of the contract. */
export interface GrpcClient {
  verify(request: Message): Promise<Answer>;
  /** Returns the items, or the error of the whole call. */
  batch(requests: readonly Message[]): Promise<readonly Item[] | CallError>;
  /** Sends messages over one stream, ends it, and returns the answers in order of arrival. */
  stream(messages: readonly Message[]): Promise<readonly Message[] | CallError>;
  /** Opens a stream and leaves it open. */
  open(): Stream;
  close(): void;
}

/** Makes a client. */
export function createClient(address: string): GrpcClient {
  const loaded = loadPackageDefinition(definition) as unknown as {
    tokenverifier: { v1: { TokenVerifier: new (address: string, credentials: unknown, options: object) => Stub } };
  };
  const stub = new loaded.tokenverifier.v1.TokenVerifier(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  const call = (method: "VerifyToken" | "BatchVerifyTokens", request: Message): Promise<Message | CallError> =>
    new Promise((resolve) => {
      stub[method](request, new Metadata(), (error, response) =>
        resolve(error === null ? (response ?? {}) : readError(error)),
      );
    });
  return {
    async verify(request) {
      const answer = await call("VerifyToken", request);
      return isCallError(answer) ? { error: answer } : { verdict: readVerdict(answer) };
    },
    async batch(requests) {
      const answer = await call("BatchVerifyTokens", { requests });
      return isCallError(answer) ? answer : readItems(answer);
    },
    stream: (messages) =>
      new Promise((resolve) => {
        const answers: Message[] = [];
        const stream = stub.StreamVerifyTokens();
        stream
          .on("data", (message) => answers.push(message))
          .on("error", (error) => resolve(readError(error)))
          .on("end", () => resolve(answers));
        for (const message of messages) stream.write(message);
        stream.end();
      }),
    open: () => stub.StreamVerifyTokens(),
    close: () => stub.close(),
  };
}

/** Whether a call failed as a whole. */
export function isCallError(answer: object): answer is CallError {
  return "code" in answer && "reason" in answer && "domain" in answer;
}

function decode(method: "VerifyToken" | "BatchVerifyTokens", bytes: Buffer): Message {
  const { responseDeserialize } = (definition[NAME] as Record<string, MethodDefinition<object, object>>)[method]!;
  return responseDeserialize(bytes) as Message;
}

/** Reads a VerifyTokenResponse that was encoded elsewhere. */
export const decodeVerdict = (bytes: Buffer): Message => readVerdict(decode("VerifyToken", bytes));

/** Reads the items of a BatchVerifyTokensResponse that was encoded elsewhere. */
export const decodeBatch = (bytes: Buffer): readonly Item[] => readItems(decode("BatchVerifyTokens", bytes));

/** The items of the answer to a batch, or to a message of a stream. */
export function readItems(answer: Message): readonly Item[] {
  return ((answer["responses"] ?? []) as readonly Message[]).map((item) => {
    const error = item["error"] as Message | undefined;
    if (error === undefined) return { verdict: readVerdict(item["verdict"] as Message) };
    return {
      error: {
        code: Number(error["code"]),
        reason: String(error["reason"]).replace("ERROR_REASON_", ""),
        domain: "tokenverifier.v1",
        retryAfter: seconds(error["retry_after"]),
        message: String(error["message"]),
      },
    };
  });
}

/** Reads a status with its details. */
export function readError(error: Pick<ServiceError, "code" | "metadata"> & Partial<ServiceError>): CallError {
  // google-gax changes its argument, so it gets a copy.
  const copy = Object.assign(new Error(error.details ?? ""), { code: error.code, metadata: error.metadata.clone() });
  const read = GoogleError.parseGRPCStatusDetails(copy as unknown as GoogleError);
  const retry = (read.statusDetails as readonly Message[] | undefined)?.find((detail) => "retryDelay" in detail);
  return {
    code: error.code,
    reason: read.reason,
    domain: read.domain,
    retryAfter: seconds(retry?.["retryDelay"]),
    message: error.details ?? "",
  };
}

/** A google.protobuf.Duration or Timestamp in seconds. */
function seconds(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const { seconds = 0, nanos = 0 } = value as { seconds?: unknown; nanos?: number };
  return Number(seconds) + nanos / 1e9;
}

const TIMES = new Set(["expires_at", "not_before", "issued_at", "cacheable_until", "key_set_age"]);

/** A message with its times in seconds and without proto-loader's values for absent fields. */
function readVerdict(message: Message): Message {
  return Object.fromEntries(
    Object.entries(message)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => {
        if (TIMES.has(name)) return [name, seconds(value)];
        if (Array.isArray(value)) {
          return [
            name,
            value.map((one: unknown) => (typeof one === "object" && one !== null ? readVerdict(one as Message) : one)),
          ];
        }
        return [name, typeof value === "object" ? readVerdict(value as Message) : value];
      }),
  );
}
