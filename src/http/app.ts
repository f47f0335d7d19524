import express from "express";
import { acceptRequestId } from "../util/request-id.js";
import { faceHandler, type HandlerOptions, type ServedFace, send } from "./handler.js";
import { rpcHandlers, type ServedRpc } from "./rpc.js";

const NOT_FOUND = { status: 404, body: JSON.stringify({ error: "Not found" }) };
const FAULT = { status: 500, body: JSON.stringify({ error: "Internal server error" }) };

/** The Express app: each face, and each method of the contract, at its exact path, for every method; anything else is 404. */
export function createApp(faces: readonly ServedFace[], rpc: ServedRpc, options: HandlerOptions): express.Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.enable("case sensitive routing");
  app.enable("strict routing");
  const notFound = (req: express.Request, res: express.Response): void => {
    const requestId = acceptRequestId(req.headers["x-request-id"]);
    send(res, NOT_FOUND, requestId);
    // A proxy that changes paths, or a face that is not shown: somebody has to see it.
    const address = options.addressOf(
      req.socket.remoteAddress ?? "",
      req.headersDistinct["x-forwarded-for"]?.join(","),
    );
    const { method } = req;
    options.observer.faceCall({
      face: "unknown",
      realm: "",
      requestId,
      address,
      method,
      status: 404,
      outcome: undefined,
      caller: undefined,
      millis: 0,
    });
  };
  // Express drops a fragment, which no target may have, and would find the face before it.
  app.use((req, res, next) => (req.url.includes("#") ? notFound(req, res) : next()));
  for (const served of faces) app.all(served.path, faceHandler(served, options));
  for (const [path, handler] of rpcHandlers(rpc, options)) app.all(path, handler);
  app.use(notFound);
  app.use(((error, req, res, _next) => {
    const requestId = acceptRequestId(req.headers["x-request-id"]);
    options.observer.fault(error, requestId);
    if (res.headersSent) res.destroy();
    else send(res, FAULT, requestId);
  }) satisfies express.ErrorRequestHandler);
  return app;
}
