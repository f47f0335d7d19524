import express from "express";
import { type CallService, harmless } from "../contract/call.js";
import { createHttpPort, type HttpBounds, type HttpListenerOptions, type HttpPort } from "../net/http1/http-port.js";
import { type HttpService, httpHandler, type Responder } from "./exchange.js";
import { faceResponder, type ServedFace } from "./face.js";
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

/** Makes a gateway: an HTTP/1.1 port that shows the faces and the contract itself. It opens nothing yet. */
export function createGateway(
  faces: readonly ServedFace[],
  limits: GatewayLimits,
  calls: CallService,
  rpc = NO_RPC,
  listener: HttpListenerOptions = {},
): Gateway {
  const service = { ...calls, limits, observer: harmless(calls.observer) };
  let app = createApp(faces, rpc, service);
  return {
    ...createHttpPort((req, res) => void app(req, res), limits, listener),
    show: (faces, rpc = NO_RPC) => {
      app = createApp(faces, rpc, service);
    },
  };
}

/** The Express app: each face, and each method of the contract, at its exact path, for every HTTP method; anything else is 404. */
function createApp(faces: readonly ServedFace[], rpc: ServedRpc, service: HttpService): express.Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.enable("case sensitive routing");
  app.enable("strict routing");
  const notFound = httpHandler(NOT_FOUND, service);
  // No target may have a fragment; Express would drop it and find the face before it.
  app.use((req, res, next) => (req.url.includes("#") ? notFound(req, res) : next()));
  for (const served of faces) app.all(served.path, httpHandler(faceResponder(served, service), service));
  for (const [path, responder] of rpcResponders(rpc, service)) app.all(path, httpHandler(responder, service));
  app.use(notFound);
  app.use(((error, req, res, _next) => {
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const rethrow = (): never => {
      throw error;
    };
    httpHandler({ ...NOT_FOUND, respond: rethrow }, service)(req, res);
  }) satisfies express.ErrorRequestHandler);
  return app;
}

const answerTo = (status: number, error: string) => ({
  answer: { status, body: JSON.stringify({ error }) },
  realm: "",
  outcome: undefined,
});

/** Answers a path that serves nothing. It is observed like any call, since a proxy may have changed the path. */
const NOT_FOUND: Responder = {
  via: "unknown",
  respond: () => answerTo(404, "Not found"),
  failed: () => answerTo(500, "Internal server error"),
};
