import {
  createFileRegistry,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { FILE_DESCRIPTOR_SET } from "../../gen/descriptors.js";
import { ErrorInfo, RetryInfo } from "../../gen/google/rpc/error_details.js";
import { type Answer, type CallError, decodeVerdict, type Message } from "./grpc.js";

// Connect's own client with the contract's descriptors; it uses nothing of src.

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(FILE_DESCRIPTOR_SET, "base64")));

const SERVICE = registry.getService("tokenverifier.v1.TokenVerifier") as DescService;
const { input, output } = SERVICE.method["verifyToken"]!;

/** The descriptor of BatchVerifyTokens. */
export const BATCH = SERVICE.method["batchVerifyTokens"] as DescMethodUnary;

/** A Connect transport over HTTP/1.1. @param binary whether to send protobuf instead of JSON */
export function connectTransport(port: number, binary: boolean): Transport {
  return createConnectTransport({
    baseUrl: `http://127.0.0.1:${port}`,
    httpVersion: "1.1",
    useBinaryFormat: binary,
  });
}

/** Calls a unary method and returns the error that it ends with. */
export async function rawCall(transport: Transport, method: DescMethodUnary, request: JsonValue): Promise<unknown> {
  try {
    await transport.unary(method, undefined, undefined, undefined, fromJson(method.input, request));
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Calls VerifyToken. @param request the request with the contract's field names */
export async function callVerifyToken(transport: Transport, request: Message, options?: CallOptions): Promise<Answer> {
  const client = createClient(SERVICE, transport) as unknown as {
    verifyToken(request: unknown, options?: CallOptions): Promise<Parameters<typeof toBinary>[1]>;
  };
  try {
    const verdict = await client.verifyToken(fromJson(input, request as JsonValue), options);
    return { verdict: decodeVerdict(Buffer.from(toBinary(output, verdict))) };
  } catch (error) {
    return { error: readConnectError(ConnectError.from(error)) };
  }
}

/** Reads an error with its details; Connect numbers its codes as gRPC does. */
function readConnectError(error: ConnectError): CallError {
  const detail = (type: string): Uint8Array | undefined =>
    error.details.flatMap((one) => ("type" in one && one.type === type ? [one.value] : []))[0];
  const info = detail("google.rpc.ErrorInfo");
  const retry = detail("google.rpc.RetryInfo");
  const { reason, domain } = info === undefined ? {} : ErrorInfo.decode(info);
  const delay = retry && RetryInfo.decode(retry).retryDelay;
  return {
    code: error.code,
    reason,
    domain,
    retryAfter: delay && Number(delay.seconds) + delay.nanos / 1e9,
    message: error.rawMessage,
  };
}
