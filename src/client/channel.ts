import { randomUUID } from "node:crypto";
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
import { TokenVerifierService, type VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { type Failure, failure, type Outcome, type Verifier } from "../contract/verifier.js";
import { omitAddressAsServerName } from "../net/internals.js";
import { clientContext, type TlsMaterial } from "../net/tls.js";
import { outcomeFromWire, requestToWire } from "../wire/messages.js";
import { failureFromStatus, hasDetails } from "../wire/status.js";
import { type ConnectionProblem, connectionProblem } from "./connection-problem.js";
import type { ChangeStream } from "./watch.js";

/** How to connect. */
export interface ChannelOptions {
  /**
   * Connections to open to each address, used in turn (default 1). Of a service with several worker processes, each
   * connection reaches one.
   */
  readonly connections?: number;
  /**
   * Whether a call waits, until its deadline, for a service that is unreachable, or fails at once (default false). Calls wait
   * for a connection that is being opened either way.
   */
  readonly waitForReady?: boolean;
  /** Speaks TLS; plaintext without it. */
  readonly tls?: ChannelTls | undefined;
}

/** The TLS settings of a channel. */
export interface ChannelTls extends TlsMaterial {
  /** Name that the service's certificate must have (default: that of the address). */
  readonly servername?: string | undefined;
}

/** The options of one call. */
export interface ChannelCall {
  /** Milliseconds since 1970; Infinity for none. */
  readonly deadline: number;
  /** Sent as `x-request-id`. */
  readonly requestId: string;
  /** Address of the client that this call is made for, sent as `x-forwarded-for`. The service believes it of trusted proxies. */
  readonly address?: string;
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether the call is made once more, over another connection, if its own is lost before the answer or the service shuts
   * down (default false). A call with a proof must not be: the service may have seen the proof.
   */
  readonly repeatable?: boolean;
}

/** A failure to reach a service. */
export interface UnreachableFailure extends Failure {
  readonly reason: "VERIFIER_UNAVAILABLE";
  /** The transport's error text, for people: it usually names the address and the system's error. */
  readonly detail: string;
  readonly problem: ConnectionProblem;
}

/** Tells a failure to reach a service from one that the service answered. */
export const isUnreachable = (failure: Failure): failure is UnreachableFailure => "problem" in failure;

/** Tells a channel's failure from an answer. */
export const isFailure = (answer: unknown): answer is Failure =>
  typeof answer === "object" && answer !== null && "kind" in answer && answer.kind === "failure";

/** Unary calls to a service, over connections that are opened when first needed and reopened when lost. */
export interface Channel {
  /** Returns the answer or a failure. Rejects only with the signal's reason, if the signal cancelled the call. */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    call: ChannelCall,
  ): Promise<Response | Failure | UnreachableFailure>;
  /** Opens a stream of changes. Where it cannot, the stream ends with an error. */
  watch(): ChangeStream;
  /** Makes a call once, and tells a lost one from an answered one. Rejects as {@link call} does. */
  attempt<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    call: ChannelCall,
  ): Promise<Attempt<Response>>;
  /** Closes the connections. Open calls finish; later ones fail. */
  close(): void;
}

const GRPC_OPTIONS = {
  // Detects a dead service while calls wait for it.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 5_000,
  // An answer has its tokens' payloads and, with `explain`, every check: it may be larger than its request.
  "grpc.max_receive_message_length": 64 * 1024 ** 2,
  // Tokens and secrets go to the given address, never to a proxy named by the environment.
  "grpc.enable_http_proxy": 0,
  // No retries or hedging by a policy from DNS: a DPoP proof that is sent twice counts as replayed. grpc-js itself repeats
  // only what was never sent, or what the service says that it did not process (RFC 9113, section 8.7).
  "grpc.service_config_disable_resolution": 1,
  // One connection per client.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_channelz": 0,
};

/** Uses all addresses in turn. */
const ROUND_ROBIN = { "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }) };

/** Addresses that name their scheme; of any other, the first address that can be reached is used alone. */
const SEVERAL_ADDRESSES = /^(?:dns|ipv4|ipv6):/;

/**
 * Opens a channel.
 *
 * @param address `host:port` or `unix:/path` for one server; `dns:///name:port` for all addresses of a name in turn, or
 *   `ipv4:address:port,address:port` (`ipv6:`) for those listed
 * @param options with `reconnect`, the longest pause between two attempts to connect, in milliseconds (default 5000)
 * @throws OpenSSL's error if certificate, key or authority is malformed or does not fit
 */
export function openChannel(
  address: string,
  { connections = 1, waitForReady = false, tls, reconnect }: ChannelOptions & { readonly reconnect?: number },
): Channel {
  const secured = tls && omitAddressAsServerName(credentials.createFromSecureContext(clientContext(tls)));
  const servername = tls?.servername;
  const options = {
    ...GRPC_OPTIONS,
    ...(reconnect !== undefined && { "grpc.max_reconnect_backoff_ms": reconnect }),
    ...(SEVERAL_ADDRESSES.test(address) && ROUND_ROBIN),
    ...(servername !== undefined && { "grpc.ssl_target_name_override": servername }),
  };
  const clients = Array.from(
    { length: Math.max(1, connections) },
    () => new Client(address, secured ?? credentials.createInsecure(), options),
  );
  let turn = 0;
  const next = (): Client => clients[turn++ % clients.length] as Client;
  async function attempt<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    { deadline, requestId, address = "", signal }: ChannelCall,
  ): Promise<Attempt<Response>> {
    signal?.throwIfAborted();
    const metadata = new Metadata({ waitForReady });
    metadata.set("x-request-id", requestId);
    if (address !== "") metadata.set("x-forwarded-for", address);
    const client = next();
    const { answer, error } = await unary(client, method, request, metadata, deadline, signal);
    if (answer !== undefined) return { answer, isLost: false };
    signal?.throwIfAborted();
    const unreached = unreachable(client, error, tls !== undefined);
    if (unreached !== undefined) return { answer: unreached, isLost: false };
    const failed = failureFromStatus(error);
    return { answer: failed, isLost: failed.reason === "SHUTTING_DOWN" || isFromTransport(error) };
  }
  return {
    async call(method, request, call) {
      const first = await attempt(method, request, call);
      const { answer } = first.isLost && call.repeatable === true ? await attempt(method, request, call) : first;
      return answer;
    },
    watch() {
      const { path, requestSerialize, responseDeserialize } = TokenVerifierService.watchChanges;
      const metadata = new Metadata();
      metadata.set("x-request-id", randomUUID());
      return next().makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    },
    attempt,
    close: () => {
      for (const client of clients) client.close();
    },
  };
}

/** The result of sending a call once. */
export interface Attempt<Response> {
  readonly answer: Response | Failure | UnreachableFailure;
  /** Whether the connection was lost before the answer, or the service shuts down. */
  readonly isLost: boolean;
}

/** Whether a call ended without a status of the service. grpc-js has INTERNAL for a connection that was closed in good order. */
function isFromTransport({ code, metadata }: Partial<ServiceError>): boolean {
  return (code === status.UNAVAILABLE || code === status.INTERNAL) && !hasDetails(metadata);
}

/** Asks about one token, and once more if the connection is lost, unless the request has a proof. */
export async function verifyAlone(
  channel: Channel,
  message: VerifyTokenRequest,
  { repeatable = true, ...call }: ChannelCall,
): Promise<Outcome> {
  const options = { ...call, repeatable: repeatable && message.proof === undefined };
  const answer = await channel.call(TokenVerifierService.verifyToken, message, options);
  return isFailure(answer) ? answer : outcomeFromWire(answer);
}

/** The failure of a call for which no connection could be opened; undefined for any other. */
function unreachable(
  client: Client,
  { code, details = "" }: Partial<ServiceError>,
  overTls: boolean,
): UnreachableFailure | undefined {
  if (code !== status.UNAVAILABLE && code !== status.DEADLINE_EXCEEDED) return undefined;
  if (client.getChannel().getConnectivityState(false) !== connectivityState.TRANSIENT_FAILURE) return undefined;
  const { retryAfter } = failure("VERIFIER_UNAVAILABLE");
  const problem = connectionProblem(details, overTls);
  return { kind: "failure", reason: "VERIFIER_UNAVAILABLE", retryAfter, detail: details, problem };
}

interface UnaryResult<Response> {
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
): Promise<UnaryResult<Response>> {
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
      // grpc-js throws if the channel is closed.
      resolve({ error: { code: status.UNAVAILABLE } });
      return;
    }
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/** A verifier that asks a service. */
export interface ChannelVerifier extends Verifier {
  /** Closes the connections. Open calls finish; later ones fail. */
  close(): void;
}

/**
 * Makes a {@link Verifier} that asks a service, such as that of a gateway without keys. It passes on the call's request id,
 * client address and deadline.
 *
 * @param address as {@link openChannel} takes it
 * @throws OpenSSL's error if certificate, key or authority is malformed or does not fit
 */
export function channelVerifier(address: string, options: ChannelOptions = {}): ChannelVerifier {
  const channel = openChannel(address, options);
  return {
    verify: (request, { requestId, address, deadline }) =>
      verifyAlone(channel, requestToWire(request), { requestId, address, deadline }),
    close: () => channel.close(),
  };
}
