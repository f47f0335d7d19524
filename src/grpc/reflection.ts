import { create, type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { type handleBidiStreamingCall, type Server, status } from "@grpc/grpc-js";
import { connectionOfCall } from "../net/http2/connections.js";
import { failureToStatus } from "../wire/status.js";
import { SHUTTING_DOWN } from "./call.js";
import { type Descriptors, readDescriptors } from "./descriptors.js";
import type { OpenCalls } from "./open-calls.js";

/** The full names of the service's two versions, which differ in their package alone. */
const REFLECTION_SERVICE_NAMES = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/** The paths of its methods. */
export const REFLECTION_PATHS = REFLECTION_SERVICE_NAMES.map((name) => `/${name}/ServerReflectionInfo`);

// The messages of grpc/reflection/v1/reflection.proto, as far as they are read.
interface ReflectionRequest extends Message {
  readonly host: string;
  readonly messageRequest:
    | { readonly case: "fileByFilename" | "fileContainingSymbol"; readonly value: string }
    | { readonly case: "allExtensionNumbersOfType" | "listServices"; readonly value: string }
    | { readonly case: "fileContainingExtension"; readonly value: { containingType: string; extensionNumber: number } }
    | { readonly case: undefined };
}

type MessageResponse =
  | { readonly case: "fileDescriptorResponse"; readonly value: { fileDescriptorProto: Uint8Array[] } }
  | {
      readonly case: "allExtensionNumbersResponse";
      readonly value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { readonly case: "listServicesResponse"; readonly value: { service: { name: string }[] } }
  | { readonly case: "errorResponse"; readonly value: { errorCode: number; errorMessage: string } };

const refused = (errorCode: status, errorMessage: string): MessageResponse => ({
  case: "errorResponse",
  value: { errorCode, errorMessage },
});

const files = (fileDescriptorProto: Uint8Array[] | undefined): MessageResponse =>
  fileDescriptorProto === undefined
    ? refused(status.NOT_FOUND, "This server describes nothing of that name.")
    : { case: "fileDescriptorResponse", value: { fileDescriptorProto } };

function answer(
  { messageRequest: ask }: ReflectionRequest,
  descriptors: Descriptors,
  services: readonly string[],
): MessageResponse {
  switch (ask.case) {
    case "fileByFilename":
      return files(descriptors.file(ask.value));
    case "fileContainingSymbol":
      return files(descriptors.fileOfSymbol(ask.value));
    case "fileContainingExtension":
      return files(descriptors.fileOfExtension(ask.value.containingType, ask.value.extensionNumber));
    case "allExtensionNumbersOfType": {
      const extensionNumber = descriptors.extensionNumbers(ask.value);
      if (extensionNumber === undefined) return files(undefined);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: ask.value, extensionNumber } };
    }
    case "listServices":
      return { case: "listServicesResponse", value: { service: services.map((name) => ({ name })) } };
    case undefined:
      return refused(status.INVALID_ARGUMENT, "The request asks for nothing.");
  }
}

/**
 * Adds grpc.reflection v1 and v1alpha, which serve the compiler's own descriptors of this server's services.
 *
 * @param services full names of the services that this server has, its reflection left out
 */
export function addReflection(server: Server, services: readonly string[], openCalls: OpenCalls): void {
  const listed = [...services, ...REFLECTION_SERVICE_NAMES];
  const descriptors = readDescriptors(listed);
  for (const name of REFLECTION_SERVICE_NAMES) {
    // The services describe themselves; without their descriptors there would be nothing to serve.
    const method = descriptors.registry.getService(name)?.method["serverReflectionInfo"] as DescMethod;
    const respond = (request: ReflectionRequest): Message =>
      create(method.output, {
        validHost: request.host,
        originalRequest: request,
        messageResponse: answer(request, descriptors, listed),
      });
    server.addService(
      {
        serverReflectionInfo: {
          path: `/${name}/${method.name}`,
          requestStream: true,
          responseStream: true,
          requestSerialize: (message: Message) => Buffer.from(toBinary(method.input, message)),
          requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes) as ReflectionRequest,
          responseSerialize: (message: Message) => Buffer.from(toBinary(method.output, message)),
          responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
        },
      },
      { serverReflectionInfo: infoHandler(respond, openCalls) },
    );
  }
}

function infoHandler(
  respond: (request: ReflectionRequest) => Message,
  openCalls: OpenCalls,
): handleBidiStreamingCall<ReflectionRequest, Message> {
  return (call) => {
    const forget = openCalls.add({
      kind: "probes",
      connection: connectionOfCall(call),
      end: () => call.emit("error", failureToStatus(SHUTTING_DOWN)),
    });
    call.on("cancelled", forget);
    call.on("data", (request: ReflectionRequest) => {
      // An answer is a thousand times the size of its request: unread ones must not pile up.
      if (!call.write(respond(request))) call.pause();
    });
    call.on("drain", () => call.resume());
    call.on("end", () => call.end());
  };
}
