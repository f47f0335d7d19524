import { createHttpPort, type HttpBounds, type HttpPort } from "../net/http1/http-port.js";
import type { ListenerOptions } from "../net/tls.js";
import { createApp } from "./app.js";
import { type HandlerOptions, harmless, type ServedFace } from "./handler.js";
import type { ServedRpc } from "./rpc.js";

/** What the gateway admits: the configuration's `limits`. `request` is also how long an answer may take. */
export interface GatewayLimits extends HttpBounds {
  /** Bytes of a request's body. */
  readonly body: number;
}

/** A gateway that serves. */
export interface Gateway extends HttpPort {
  /** From now on these are shown, and nothing else; requests under way are answered by what they came to. */
  show(faces: readonly ServedFace[], rpc?: ServedRpc): void;
}

/** Nothing is shown of the contract. */
const NO_RPC: ServedRpc = { realms: [], cors: undefined };

/** Makes a gateway: an HTTP/1.1 port that shows the faces, and the contract itself. It opens nothing yet. */
export function createGateway(
  faces: readonly ServedFace[],
  limits: GatewayLimits,
  options: Omit<HandlerOptions, "bodyLimit" | "requestTimeout">,
  rpc = NO_RPC,
  entrance: ListenerOptions = {},
): Gateway {
  const appOf = (faces: readonly ServedFace[], rpc: ServedRpc) =>
    createApp(faces, rpc, {
      ...options,
      observer: harmless(options.observer),
      bodyLimit: limits.body,
      requestTimeout: limits.request,
    });
  let app = appOf(faces, rpc);
  return {
    ...createHttpPort((req, res) => void app(req, res), limits, entrance),
    show: (faces, rpc = NO_RPC) => {
      app = appOf(faces, rpc);
    },
  };
}
