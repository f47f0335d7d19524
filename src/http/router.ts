import express from "express";
import { type HttpHandler, type HttpService, httpHandler, type Responder } from "./exchange.js";

/** The handlers of exact paths, each for every method. Paths consist of letters, digits, `.`, `_`, `-` and `/`. */
export type Routes = ReadonlyMap<string, HttpHandler>;

/** Makes the handler of a whole port: each route at its path, and 404 for anything else. */
export type Router = (routes: Routes, service: HttpService) => HttpHandler;

/**
 * Routes by an Express app, case-sensitively and strictly. Another Express app can mount the handler at `/` with `use`; the
 * faces read the request's body themselves.
 */
export function throughExpress(routes: Routes, service: HttpService): HttpHandler {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.enable("case sensitive routing");
  app.enable("strict routing");
  const notFound = httpHandler(NOT_FOUND, service);
  // No target may have a fragment; Express would drop it and find the face before it.
  app.use((req, res, next) => (req.url.includes("#") ? notFound(req, res) : next()));
  for (const [path, handler] of routes) app.all(path, handler);
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
  // Express finds no path in some targets, such as `a://?b`, and would answer them with a page of its own.
  return (req, res) => app(req as express.Request, res as express.Response, () => notFound(req, res));
}

/**
 * Calls the handler of an exact path directly, and leaves every other target to {@link throughExpress}: the answers are the
 * same, and Express costs as much as node:http itself.
 */
export function directly(routes: Routes, service: HttpService): HttpHandler {
  const app = throughExpress(routes, service);
  return (req, res) => {
    const handler = routes.get(pathOf(req.url ?? ""));
    if (handler === undefined) app(req, res);
    else handler(req, res);
  };
}

/** Queries that Express cuts off at the question mark; it parses a target with white space or a fragment as a URL. */
const PLAIN_QUERY = /^[!"$-~]*$/;

/** The path of a target with a plain query, as Express finds it; any other target unchanged. */
function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 || !PLAIN_QUERY.test(target.slice(query)) ? target : target.slice(0, query);
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
