import {
  createFileRegistry,
  type DescMethod,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError, type Transport } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import grpc from "@grpc/grpc-js";
import { FILE_DESCRIPTOR_SET } from "../../../gen/descriptors.js";
import { messagesOf, millisOf, pathOf, type Row, requestOf } from "./rows.js";
import type { Headers, Seen } from "./seen.js";

// The gRPC libraries of npm as clients of the table.

/** Milliseconds after which a call is given up that has no time limit of its own: it has hung. */
export const GIVE_UP = 30_000;

/** Makes a row's calls. @param asked resolves once the verifier was asked, for rows that cancel */
export type Caller = (address: string, row: Row, asked: () => Promise<void>) => Promise<readonly Seen[]>;

/** Makes all calls of a row: those at once, then the others, one after the other. */
async function eachCall(row: Row, call: (messages: readonly Buffer[]) => Promise<Seen>): Promise<readonly Seen[]> {
  const seen = await Promise.all(Array.from({ length: row.times ?? 1 }, () => call(messagesOf(row))));
  for (const { token } of row.next ?? []) seen.push(await call([requestOf(token)]));
  return seen;
}

const COMPRESSIONS: Readonly<Record<string, grpc.compressionAlgorithms>> = {
  gzip: grpc.compressionAlgorithms.gzip,
  deflate: grpc.compressionAlgorithms.deflate,
};

function metadataOf({ metadata = {} }: Row): grpc.Metadata {
  const made = new grpc.Metadata();
  for (const [name, values] of Object.entries(metadata)) {
    for (const value of [values].flat()) {
      made.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
    }
  }
  return made;
}

function headersOf(metadata: grpc.Metadata | undefined): Headers {
  const names = Object.keys(metadata?.getMap() ?? {});
  return Object.fromEntries(
    names.map((name) => [
      name,
      metadata?.get(name).map((value) => (Buffer.isBuffer(value) ? value.toString("base64") : value)) ?? [],
    ]),
  );
}

const asIs = (bytes: Buffer): Buffer => bytes;

/** grpc-js; a row of several messages is sent as a streaming client would. */
export const grpcJs: Caller = async (address, row, asked) => {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    ...(row.compression && { "grpc.default_compression_algorithm": COMPRESSIONS[row.compression] }),
  });
  const deadline = (): number => Date.now() + (row.timeout === undefined ? GIVE_UP : millisOf(row.timeout));
  const one = (messages: readonly Buffer[]): Promise<Seen> =>
    new Promise((resolve) => {
      const answer: Buffer[] = [];
      let headers: grpc.Metadata | undefined;
      const take = (_error: grpc.ServiceError | null, message?: Buffer): void => {
        if (message !== undefined) answer.push(message);
      };
      const options = { deadline: deadline() };
      const metadata = metadataOf(row);
      const path = pathOf(row);
      const [first = Buffer.alloc(0)] = messages;
      const isUnary = row.messages === undefined;
      const call = isUnary
        ? client.makeUnaryRequest(path, asIs, asIs, first, metadata, options, take)
        : client.makeClientStreamRequest(path, asIs, asIs, metadata, options, take);
      if (!isUnary) {
        const stream = call as grpc.ClientWritableStream<Buffer>;
        stream.on("error", () => undefined);
        for (const message of messages) stream.write(message);
        stream.end();
      }
      call.on("metadata", (got) => {
        headers = got;
      });
      call.on("status", ({ code, details, metadata: trailers }) =>
        resolve({ code, message: details, headers: headersOf(headers), trailers: headersOf(trailers), answer }),
      );
      if (row.cancel === true) void asked().then(() => call.cancel());
    });
  try {
    // A channel that is closed while it connects would leave its connection open.
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + GIVE_UP, (error) => (error ? reject(error) : resolve())),
    );
    return await eachCall(row, one);
  } finally {
    client.close();
  }
};

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(FILE_DESCRIPTOR_SET, "base64")));
const { method } = registry.getService("tokenverifier.v1.TokenVerifier") as DescService;

/** The descriptor of a row's method; Connect knows no other way to name a method. */
function descriptorOf({ method: name = "VerifyToken", messages }: Row): DescMethod {
  const found = Object.values(method).find((one) => one.name === name);
  if (found === undefined) throw new Error(`the contract has no method ${name}`);
  return messages === undefined ? found : { ...found, methodKind: "client_streaming" };
}

const textHeaders = (headers: globalThis.Headers): Headers =>
  Object.fromEntries([...headers].map(([name, value]) => [name, [value]]));

/** Connect with its gRPC transport, which writes messages with the contract's types. */
export const connect: Caller = async (address, row, asked) => {
  const sessionManager = new Http2SessionManager(`http://${address}`);
  const transport: Transport = createGrpcTransport({
    baseUrl: `http://${address}`,
    sessionManager,
    ...(row.compression && {
      sendCompression: row.compression === "br" ? compressionBrotli : compressionGzip,
      compressMinBytes: 0,
    }),
  });
  const desc = descriptorOf(row);
  const sent = new globalThis.Headers();
  for (const [name, values] of Object.entries(row.metadata ?? {})) {
    for (const value of [values].flat()) sent.append(name, value);
  }
  const one = async (messages: readonly Buffer[]): Promise<Seen> => {
    const answer: Buffer[] = [];
    let headers: Headers = {};
    let trailers: Headers = {};
    const canceller = new AbortController();
    if (row.cancel === true) void asked().then(() => canceller.abort());
    const options: Required<Pick<CallOptions, "signal" | "timeoutMs">> = {
      signal: canceller.signal,
      timeoutMs: row.timeout === undefined ? GIVE_UP : Math.ceil(millisOf(row.timeout)),
    };
    const inputs = messages.map((bytes) => fromBinary(desc.input, bytes));
    const { signal, timeoutMs } = options;
    try {
      if (desc.methodKind === "unary") {
        const [input] = inputs;
        const got = await transport.unary(desc as DescMethodUnary, signal, timeoutMs, sent, input!);
        [headers, trailers] = [textHeaders(got.header), textHeaders(got.trailer)];
        answer.push(Buffer.from(toBinary(desc.output, got.message)));
      } else {
        const stream = (async function* () {
          yield* inputs;
        })();
        const got = await transport.stream(desc as never, signal, timeoutMs, sent, stream as never);
        headers = textHeaders(got.header);
        for await (const message of got.message) answer.push(Buffer.from(toBinary(desc.output, message)));
        trailers = textHeaders(got.trailer);
      }
      return { code: 0, message: "", headers, trailers, answer };
    } catch (thrown) {
      const { code, rawMessage, metadata } = ConnectError.from(thrown);
      // Connect gives headers and trailers of an error in one.
      return { code, message: rawMessage, headers: textHeaders(metadata), trailers: textHeaders(metadata), answer };
    }
  };
  try {
    return await eachCall(row, one);
  } finally {
    sessionManager.abort();
  }
};
