import type http from "node:http";
import type { ListenerOptions } from "../net/admission.js";
import { createHttpPort, type HttpBounds, type HttpPort } from "../net/http1/http-port.js";
import type { Metrics } from "./metrics.js";
import type { KeysInUse } from "./observed.js";
import type { Readiness } from "./readiness.js";

/** Limits of the port: probes are small, and one client must not lock out the others. Times in milliseconds. */
const BOUNDS = { request: 10_000, idle: 10_000, connections: 1000, perAddress: 100 } satisfies Partial<HttpBounds>;

/**
 * Makes the metrics port: `/metrics`, `/healthz` (the process is alive), `/readyz` (it accepts calls) and `/keys` (the keys
 * in use). It does not listen yet.
 *
 * @param headers bytes of a request's headers in all; above: 431
 */
export function createMetricsServer(
  metrics: Metrics,
  readiness: () => Readiness,
  keys: () => KeysInUse,
  headers: number,
  entrance: ListenerOptions = {},
): HttpPort {
  const json = (res: http.ServerResponse, code: number, body: unknown): void => {
    res.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store" });
    res.end(JSON.stringify(body));
  };
  /** The scrape in progress, shared by concurrent requests. */
  let rendering: Promise<string> | undefined;
  const routes: Readonly<Record<string, (res: http.ServerResponse) => void | Promise<void>>> = {
    "/healthz": (res) => json(res, 200, { status: "ok" }),
    "/readyz": (res) => {
      const state = readiness();
      json(res, state.ready ? 200 : 503, state);
    },
    "/keys": (res) => json(res, 200, keys()),
    "/metrics": async (res) => {
      rendering ??= metrics.text().finally(() => {
        rendering = undefined;
      });
      const text = await rendering;
      res.writeHead(200, { "Content-Type": metrics.contentType, "Cache-Control": "no-store" });
      res.end(text);
    },
  };
  const answer: http.RequestListener = (req, res) => {
    const path = (req.url ?? "").split("?", 1)[0] ?? "";
    if (req.method !== "GET" && req.method !== "HEAD") {
      res.setHeader("Allow", "GET, HEAD");
      json(res, 405, { error: "Method not allowed" });
      return;
    }
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) json(res, 404, { error: "Not found" });
    else void Promise.resolve(route(res)).catch(() => res.destroy());
  };
  return createHttpPort(answer, { ...BOUNDS, headers }, entrance);
}
