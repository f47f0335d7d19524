import {
  Client,
  type ClientUnaryCall,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { failureFromStatus } from "../contract/status.js";
import type { Failure } from "../contract/verifier.js";

/** How to connect. */
export interface ChannelOptions {
  /** Connections to open, used in turn (default 1). One connection is served by one process of a server that runs several. */
  readonly connections?: number;
  /**
   * Whether a call waits, within its deadline, for a service that cannot be reached at the moment (true, the default of
   * a client), or fails at once (false, the default of a gateway). The first connection is waited for either way.
   */
  readonly waitForReady?: boolean;
}

/** One call's own options. */
export interface ChannelCall {
  /** When the answer is of no more use, in milliseconds since 1970; Infinity for never. */
  readonly deadline: number;
  /** Goes along as `x-request-id`. */
  readonly requestId: string;
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Unary calls to a service, over one or more connections that are opened when first needed and again when lost. */
export interface Channel {
  /** The answer, or why there is none. Rejects with the signal's reason where the signal cancelled it, and only then. */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    call: ChannelCall,
  ): Promise<Response | Failure>;
  /** Closes the connections. Calls under way finish; later ones fail. */
  close(): void;
}

const GRPC_OPTIONS = {
  // Finds out that the service is gone without a word, while calls wait for it.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 5_000,
  // An answer holds its tokens' payloads and, explained, every check: it may be larger than its request.
  "grpc.max_receive_message_length": 64 * 1024 ** 2,
  // Tokens and secrets go to the address that was given, never to a proxy that the environment names.
  "grpc.enable_http_proxy": 0,
  // Each client a connection of its own.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_channelz": 0,
};

/** Opens a channel. @param address `host:port`, `dns:///name:port` or `unix:/path` */
export function openChannel(address: string, { connections = 1, waitForReady = false }: ChannelOptions): Channel {
  const clients = Array.from(
    { length: Math.max(1, connections) },
    () => new Client(address, credentials.createInsecure(), GRPC_OPTIONS),
  );
  let turn = 0;
  return {
    call: (method, request, { deadline, requestId, signal }) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const metadata = new Metadata({ waitForReady });
        metadata.set("x-request-id", requestId);
        const cancel = (): void => call?.cancel();
        const answered = (error: ServiceError | null, response?: Parameters<typeof resolve>[0]): void => {
          signal?.removeEventListener("abort", cancel);
          if (error === null && response !== undefined) resolve(response);
          else if (signal?.aborted) reject(signal.reason);
          else resolve(failureFromStatus(error ?? {}));
        };
        let call: ClientUnaryCall | undefined;
        try {
          const client = clients[turn++ % clients.length] as Client;
          const options: GrpcCallOptions = { deadline };
          const { path, requestSerialize, responseDeserialize } = method;
          call = client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            request,
            metadata,
            options,
            answered,
          );
          signal?.addEventListener("abort", cancel, { once: true });
        } catch {
          // grpc-js throws where the channel was closed.
          resolve(failureFromStatus({ code: 14 }));
        }
        return undefined;
      }),
    close: () => {
      for (const client of clients) client.close();
    },
  };
}
