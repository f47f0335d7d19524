import { type CallService, harmless } from "../contract/call.js";
import type { WatchSource } from "../contract/watch.js";
import type { ListenerOptions } from "../net/admission.js";
import type { OnCallEnd } from "../net/http2/connections.js";
import type { DirectMethod } from "../net/http2/direct-call.js";
import { createHttp2Port } from "../net/http2/http2-port.js";
import type { TransportPort } from "../net/port.js";
import { addOperatorServices, OPERATOR_METHOD_KINDS, type OperatorService } from "./admin/services.js";
import type { GrpcService } from "./call.js";
import { SERVICE_NAME, serviceDefinition, UNARY_PATHS, WATCH_DEFINITION } from "./definition.js";
import { addHealth, HEALTH_SERVICE_NAME, WATCH_PATH } from "./health.js";
import type { ServiceLimits } from "./limits.js";
import { OpenCalls } from "./open-calls.js";
import { addReflection, REFLECTION_PATHS } from "./reflection.js";
import { streamVerifyTokensHandler } from "./stream.js";
import { batchVerifyTokens, verifyToken } from "./unary.js";
import type { WatchCounts } from "./watch/counts.js";
import { createWatches, type Watches } from "./watch/handler.js";

export type { ServiceLimits } from "./limits.js";

/** What a server serves. */
export interface ServerOptions {
  readonly limits: ServiceLimits;
  /** What TokenVerifier answers with; without it that service is not served. */
  readonly calls?: CallService;
  /** What WatchChanges tells; without it the method is not served. */
  readonly watch?: WatchSource | undefined;
  /** What the operators' services answer with; without it they are not served. */
  readonly operators?: OperatorService | undefined;
  /** Names of realms; health has a service for each: `realm/NAME`. */
  readonly realms?: readonly string[];
  /** TLS of its ports, trusted proxies, and what observes refused connections. */
  readonly listener?: ListenerOptions;
  /** Milliseconds that calls have to finish on a connection that has reached its age (default: all that they need). */
  readonly grace?: number;
  /** Called at the end of each call, undecodable ones and those of unknown methods included. */
  readonly ended?: OnCallEnd;
}

/**
 * A gRPC server: health and reflection always, TokenVerifier if `calls` was given, the operators' services if `operators` was. Several addresses may be opened. Closing ends
 * streams after the answers under way, and lets unary calls finish; a second `close` waits for the first.
 */
export interface ServiceServer extends TransportPort {
  /** Open calls that last until the client or the server ends them: streams of tokens, watches of health, reflection. */
  streams(): number;
  /** What watches have done since the start; undefined if they are not served. */
  watches(): WatchCounts | undefined;
  /**
   * Begins to shut down, and goes on answering: health says NOT_SERVING, open connections get a GOAWAY, and the calls that last
   * are ended one after the other.
   *
   * @param delay milliseconds until {@link TransportPort.close} is called
   */
  retire(delay: number): void;
  /** Sets health to SERVING (true, as at the start) or NOT_SERVING. Calls are answered either way. */
  setServing(serving: boolean): void;
  /** Sets the realms that health knows; one that is gone, or that is unserved, is NOT_SERVING. */
  setRealms(realms: readonly string[], unserved?: ReadonlySet<string>): void;
}

/** Makes a server. It opens nothing yet. */
export function createServer({
  limits,
  calls,
  watch,
  operators,
  realms = [],
  ended,
  grace,
  listener = {},
}: ServerOptions): ServiceServer {
  const openCalls = new OpenCalls();
  const { isProxy = () => false } = listener;
  const definition = serviceDefinition(limits.batch);
  const service = calls && { ...calls, limits, observer: harmless(calls.observer) };
  const { services, ...port } = createHttp2Port({
    limits,
    direct: service && directMethods(service),
    methods: {
      large: new Set([
        definition.streamVerifyTokens.path,
        WATCH_DEFINITION.watchChanges.path,
        ...OPERATOR_METHOD_KINDS.large,
      ]),
      serverStreaming: new Set([WATCH_PATH, ...OPERATOR_METHOD_KINDS.serverStreaming]),
      bidirectional: new Set([
        definition.streamVerifyTokens.path,
        WATCH_DEFINITION.watchChanges.path,
        ...REFLECTION_PATHS,
        ...OPERATOR_METHOD_KINDS.bidirectional,
      ]),
    },
    listener,
    onCallEnd: ended,
    grace,
    onAge: (connection) => openCalls.endOf(connection),
  });
  const names = [HEALTH_SERVICE_NAME];
  let watches: Watches | undefined;
  if (service !== undefined) {
    const streamVerifyTokens = streamVerifyTokensHandler(service, openCalls, isProxy);
    watches = watch && createWatches(service, watch, openCalls);
    services.addService(
      { ...definition, ...(watches && WATCH_DEFINITION) },
      { streamVerifyTokens, ...(watches && { watchChanges: watches.handler }) },
    );
    names.unshift(SERVICE_NAME);
  }
  if (operators !== undefined) names.unshift(...addOperatorServices(services, operators));
  const health = addHealth(services, openCalls, realms);
  addReflection(services, names, openCalls);

  let closed: Promise<number> | undefined;
  const close = (timeout: number): Promise<number> => {
    health.setServing(false);
    const ended = port.close(timeout);
    openCalls.endAll();
    return ended;
  };

  return {
    ...port,
    streams: () => openCalls.size,
    watches: () => watches?.counts,
    retire: (delay) => {
      health.setServing(false);
      port.retire();
      openCalls.endOver(delay);
    },
    setServing: (serving) => health.setServing(serving),
    setRealms: (names, unserved) => health.setRealms(names, unserved),
    close: (timeout) => (closed ??= close(timeout)),
  };
}

/** The unary methods of TokenVerifier. */
const directMethods = (service: GrpcService): ReadonlyMap<string, DirectMethod> =>
  new Map<string, DirectMethod>([
    [UNARY_PATHS.verifyToken, verifyToken(service)],
    [UNARY_PATHS.batchVerifyTokens, batchVerifyTokens(service)],
  ]);
