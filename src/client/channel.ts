import {
  Client,
  type ClientUnaryCall,
  connectivityState,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { type Failure, failure } from "../contract/verifier.js";
import { clientContext, type TlsMaterial } from "../net/tls.js";
import { failureFromStatus } from "../wire/status.js";
import { type Trouble, troubleIn } from "./trouble.js";

/** How to connect. */
export interface ChannelOptions {
  /** Connections to open, used in turn (default 1). One connection is served by one process of a server that runs several. */
  readonly connections?: number;
  /**
   * Whether a call waits, within its deadline, for a service that cannot be reached at the moment, or fails at once
   * (default false). A connection that is being opened is waited for either way.
   */
  readonly waitForReady?: boolean;
  /** Over TLS, with this certificate and these authorities; in the clear without it. */
  readonly tls?: ChannelTls | undefined;
}

/** What a channel shows and trusts. */
export interface ChannelTls extends TlsMaterial {
  /** The name that the service's certificate must have, where it is not the address's. */
  readonly servername?: string | undefined;
}

/** One call's own options. */
export interface ChannelCall {
  /** When the answer is of no more use, in milliseconds since 1970; Infinity for never. */
  readonly deadline: number;
  /** Goes along as `x-request-id`. */
  readonly requestId: string;
  /** Where the call came from, if it is another's: goes along as `x-forwarded-for`, and is believed of named peers alone. */
  readonly address?: string;
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
}

/** A failure of this side alone: no service was reached. */
export interface Unreached extends Failure {
  readonly reason: "VERIFIER_UNAVAILABLE";
  /** What the transport says of it, for people: it names the address and the system's error, as far as there is one. */
  readonly unreached: string;
  /** What that means. */
  readonly trouble: Trouble;
}

/** True for a failure of this side alone. */
export const isUnreached = (failure: Failure): failure is Unreached => "unreached" in failure;

/** Unary calls to a service, over one or more connections that are opened when first needed and again when lost. */
export interface Channel {
  /** The answer, or why there is none. Rejects with the signal's reason where the signal cancelled it, and only then. */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    call: ChannelCall,
  ): Promise<Response | Failure | Unreached>;
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

/**
 * Opens a channel.
 *
 * @param address `host:port`, `dns:///name:port` or `unix:/path`
 * @throws what OpenSSL says of a certificate, key or authority that is of no use
 */
export function openChannel(address: string, { connections = 1, waitForReady = false, tls }: ChannelOptions): Channel {
  const secured = tls && credentials.createFromSecureContext(clientContext(tls));
  const servername = tls?.servername;
  const options = { ...GRPC_OPTIONS, ...(servername !== undefined && { "grpc.ssl_target_name_override": servername }) };
  const clients = Array.from(
    { length: Math.max(1, connections) },
    () => new Client(address, secured ?? credentials.createInsecure(), options),
  );
  let turn = 0;
  const next = (): Client => clients[turn++ % clients.length] as Client;
  return {
    async call(method, request, { deadline, requestId, address = "", signal }) {
      signal?.throwIfAborted();
      const metadata = new Metadata({ waitForReady });
      metadata.set("x-request-id", requestId);
      if (address !== "") metadata.set("x-forwarded-for", address);
      const client = next();
      const { answer, error } = await unary(client, method, request, metadata, deadline, signal);
      if (answer !== undefined) return answer;
      signal?.throwIfAborted();
      return unreached(client, error, tls !== undefined) ?? failureFromStatus(error);
    },
    close: () => {
      for (const client of clients) client.close();
    },
  };
}

/** The failure of a call that found no connection and no way to open one; undefined for any other. */
function unreached(
  client: Client,
  { code, details = "" }: Partial<ServiceError>,
  overTls: boolean,
): Unreached | undefined {
  if (code !== status.UNAVAILABLE && code !== status.DEADLINE_EXCEEDED) return undefined;
  if (client.getChannel().getConnectivityState(false) !== connectivityState.TRANSIENT_FAILURE) return undefined;
  const { retryAfter } = failure("VERIFIER_UNAVAILABLE");
  const trouble = troubleIn(details, overTls);
  return { kind: "failure", reason: "VERIFIER_UNAVAILABLE", retryAfter, unreached: details, trouble };
}

interface Ended<Response> {
  readonly answer?: Response | undefined;
  readonly error: Partial<ServiceError>;
}

function unary<Request, Response>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
  request: Request,
  metadata: Metadata,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Ended<Response>> {
  return new Promise((resolve) => {
    const cancel = (): void => call.cancel();
    const ended = (error: ServiceError | null, answer?: Response): void => {
      signal?.removeEventListener("abort", cancel);
      resolve({ answer, error: error ?? {} });
    };
    let call: ClientUnaryCall;
    try {
      call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline },
        ended,
      );
    } catch {
      // grpc-js throws where the channel was closed.
      resolve({ error: { code: status.UNAVAILABLE } });
      return;
    }
    signal?.addEventListener("abort", cancel, { once: true });
  });
}
