import { type CallService, harmless } from "../contract/call.js";
import { createHttpPort, type HttpBounds, type HttpListenerOptions, type HttpPort } from "../net/http1/http-port.js";
import { type HttpService, httpHandler } from "./exchange.js";
import { faceResponder, type ServedFace } from "./face.js";
import { directly, type Routes } from "./router.js";
import { rpcResponders, type ServedRpc } from "./rpc.js";

/** The limits of a gateway: the configuration's `limits`. `request` also bounds the time from a request's arrival to its answer. */
export type GatewayLimits = HttpBounds & HttpService["limits"];

/** The HTTP port with its faces. */
export interface Gateway extends HttpPort {
  /** Replaces the faces and methods that are served; a request in flight is still answered by the one that it reached. */
  show(faces: readonly ServedFace[], rpc?: ServedRpc): void;
}

/** Serves nothing of the contract. */
const NO_RPC: ServedRpc = { realms: [], cors: undefined };

/** Makes a gateway: an HTTP/1.1 port that shows the faces and the contract itself. It opens nothing yet. @param router finds the face of a request */
export function createGateway(
  faces: readonly ServedFace[],
  limits: GatewayLimits,
  calls: CallService,
  rpc = NO_RPC,
  listener: HttpListenerOptions = {},
  router = directly,
): Gateway {
  const service = { ...calls, limits, observer: harmless(calls.observer) };
  let serve = router(routesOf(faces, rpc, service), service);
  return {
    ...createHttpPort((req, res) => serve(req, res), limits, listener),
    show: (faces, rpc = NO_RPC) => {
      serve = router(routesOf(faces, rpc, service), service);
    },
  };
}

/** The routes of faces and of the contract's methods. */
function routesOf(faces: readonly ServedFace[], rpc: ServedRpc, service: HttpService): Routes {
  const responders = [
    ...faces.map((served) => [served.path, faceResponder(served, service)] as const),
    ...rpcResponders(rpc, service),
  ];
  return new Map(responders.map(([path, responder]) => [path, httpHandler(responder, service)]));
}
