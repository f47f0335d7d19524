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

// Connect's own client, with the contract's descriptors: nothing of src is in it.

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(FILE_DESCRIPTOR_SET, "base64")));

const SERVICE = registry.getService("tokenverifier.v1.TokenVerifier") as DescService;
const { input, output } = SERVICE.method["verifyToken"]!;

/** BatchVerifyTokens. */
export const BATCH = SERVICE.method["batchVerifyTokens"] as DescMethodUnary;

/** Connect over HTTP/1.1. @param binary protobuf in place of JSON */
export function connectTransport(port: number, binary: boolean): Transport {
  return createConnectTransport({
    baseUrl: `http://127.0.0.1:${port}`,
    httpVersion: "1.1",
    useBinaryFormat: binary,
  });
}

/** Calls any method of one request and one answer: the error that it ends with. */
export async function rawCall(transport: Transport, method: DescMethodUnary, request: JsonValue): Promise<unknown> {
  try {
    await transport.unary(method, undefined, undefined, undefined, fromJson(method.input, request));
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Calls VerifyToken. @param request in the contract's names */
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

/** An error with its details. Connect numbers its codes as gRPC does. */
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
