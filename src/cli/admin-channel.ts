import { setTimeout as delay } from "node:timers/promises";
import { Client, credentials, Metadata, type MethodDefinition, type ServiceError, status } from "@grpc/grpc-js";
import type {
  ExportDirectoryResponse,
  ImportDirectoryRequest,
  ImportDirectoryResponse,
} from "../../gen/tokenverifier/admin/v1/directory_service.js";
import type { ChannelTls } from "../client/channel.js";
import { connectionCause, connectionProblem } from "../client/connection-problem.js";
import { METHODS, type MethodName, type Operations, type UnaryName } from "../grpc/admin/methods.js";
import { omitAddressAsServerName } from "../net/internals.js";
import { clientContext } from "../net/tls.js";
import type { Secret } from "../util/secret.js";
import { operatorErrorFromStatus } from "../wire/operator-status.js";
import { CommandError, EXIT } from "./errors.js";

/** How to reach the operators' port of a running service. */
export interface AdminConnection {
  /** `host:port`, `dns:///name:port` or `unix:/path`. */
  readonly address: string;
  /** The operator's key; undefined for a port that asks for none, or for a client certificate. */
  readonly key: Secret | undefined;
  /** Speaks TLS; plaintext without it. */
  readonly tls: ChannelTls | undefined;
}

/** What an operator can do on a running service. */
export interface AdminChannel {
  readonly operations: Operations;
  close(): void;
}

/** Milliseconds that a service has to answer a unary call. */
const TIMEOUT = 10_000;

/** How often a unary call is sent. A repeated change has the same request id, so that it is carried out once. */
const TRIES = 4;

/** Milliseconds before the second try, where the service does not say; doubled before each further one. */
const FIRST_DELAY = 250;

/**
 * Opens a channel to the operators' port of a running service.
 *
 * @param wait waits before a call is sent again; default: on Node's timers
 * @throws OpenSSL's or grpc-js's error for a bad address or certificate
 */
export function openAdminChannel(
  { address, key, tls }: AdminConnection,
  wait: (millis: number) => Promise<unknown> = delay,
): AdminChannel {
  const secured = tls && omitAddressAsServerName(credentials.createFromSecureContext(clientContext(tls)));
  const client = new Client(address, secured ?? credentials.createInsecure(), {
    // Keys and secrets go to the given address, never to a proxy named by the environment.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": 64 * 1024 ** 2,
    "grpc.enable_channelz": 0,
  });
  const metadata = (): Metadata => {
    const own = new Metadata();
    if (key !== undefined) own.set("authorization", `Bearer ${key.reveal()}`);
    return own;
  };

  async function repeatedly(name: UnaryName, request: unknown): Promise<unknown> {
    const method = METHODS[name] as MethodDefinition<unknown, unknown>;
    for (let tries = 1; ; tries++) {
      try {
        return await once(method, request);
      } catch (error) {
        const { code } = error as ServiceError;
        const failed = operatorErrorFromStatus(error as ServiceError);
        const isWorthIt = code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED;
        if (!isWorthIt || tries === TRIES)
          throw failed ?? unreachable(error as ServiceError, address, tls !== undefined);
        await wait(failed?.retryAfter ?? FIRST_DELAY * 2 ** (tries - 1));
      }
    }
  }

  const once = (
    { path, requestSerialize, responseDeserialize }: MethodDefinition<unknown, unknown>,
    request: unknown,
  ): Promise<unknown> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata(),
        { deadline: Date.now() + TIMEOUT },
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });

  const streaming = (error: unknown): Error =>
    operatorErrorFromStatus(error as ServiceError) ?? unreachable(error as ServiceError, address, tls !== undefined);

  const { importDirectory, exportDirectory } = METHODS;
  const names = (Object.keys(METHODS) as MethodName[]).filter(
    (name): name is UnaryName => name !== "importDirectory" && name !== "exportDirectory",
  );
  const unary = Object.fromEntries(names.map((name) => [name, (request: unknown) => repeatedly(name, request)]));
  return {
    operations: {
      ...(unary as unknown as Pick<Operations, UnaryName>),
      async importDirectory(parts) {
        try {
          return await send(parts);
        } catch (error) {
          throw error instanceof Error && !("code" in error) ? error : streaming(error);
        }
      },
      async *exportDirectory(request) {
        const { path, requestSerialize, responseDeserialize } = exportDirectory;
        const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata());
        try {
          for await (const part of call) yield part as ExportDirectoryResponse;
        } catch (error) {
          throw streaming(error);
        }
      },
    },
    close: () => client.close(),
  };

  function send(parts: AsyncIterable<ImportDirectoryRequest>): Promise<ImportDirectoryResponse> {
    return new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = importDirectory;
      let isOver = false;
      const call = client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadata(),
        (error, answer) => {
          isOver = true;
          call.emit("drain");
          if (answer !== undefined) resolve(answer);
          else reject(error ?? new Error("the call ended without an answer"));
        },
      );
      const write = async (): Promise<void> => {
        for await (const part of parts) {
          if (isOver) return;
          if (!call.write(part) && !isOver) await new Promise((drained) => call.once("drain", drained));
        }
        call.end();
      };
      write().catch((error: unknown) => {
        call.cancel();
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }
}

/** The error of a call that no operators' service answered. */
function unreachable({ code, details }: ServiceError, address: string, overTls: boolean): CommandError {
  if (code === status.UNIMPLEMENTED) {
    const message = `The service at ${address} has no operators' services. Give the address of its admin port, and check that it has a store.`;
    return new CommandError(message, EXIT.usage, "NO_OPERATORS");
  }
  const cause = connectionCause(connectionProblem(details, overTls));
  const message = `No operators' port can be reached at ${address}: ${cause}. Check --admin and the options of TLS.`;
  return new CommandError(message, EXIT.unavailable, "UNREACHABLE");
}
