import http from "node:http";
import https from "node:https";
import { admit } from "../../net/admission.js";
import { listen } from "../../net/listen.js";
import { boundSilence } from "../../net/patience.js";
import { boundPipelines } from "../../net/pipeline.js";
import { type Entrance, renewTls, serverOptions, type TlsMaterial, watchHandshakes } from "../../net/tls.js";
import type { KeysInUse, Readiness } from "./key-status.js";
import type { Metrics } from "./metrics.js";

/** The operators' HTTP port: `/metrics`, `/healthz` (the process lives), `/readyz` (it wants calls), `/keys` (the keys in use). */
export interface MetricsServer {
  /** Opens the port. @returns the bound address @throws the system's error */
  listen(address: string): Promise<string>;
  /** New connections get this certificate from now on. Only for a port that has one already. @throws what OpenSSL says */
  renewTls(material: TlsMaterial): void;
  close(): Promise<void>;
}

/** How long a scrape may take to arrive, and to be answered: milliseconds. */
const PATIENCE = 10_000;

/** How many may look at once. */
const CONNECTIONS = 1000;

/** How many of them from one address: nobody may lock the others out. */
const PER_ADDRESS = 100;

/** Makes the server. It opens nothing yet. */
export function createMetricsServer(
  metrics: Metrics,
  readiness: () => Readiness,
  keys: () => KeysInUse,
  entrance: Entrance = {},
): MetricsServer {
  const json = (res: http.ServerResponse, code: number, body: unknown): void => {
    res.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store" });
    res.end(JSON.stringify(body));
  };
  /** What is being written for whoever asks meanwhile: many scrapes at once cost one. */
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
  const settings = { requestTimeout: PATIENCE, headersTimeout: PATIENCE, connectionsCheckingInterval: 1000 };
  const { tls } = entrance;
  const secure = tls && https.createServer({ ...settings, ...serverOptions(tls, "http/1.1", PATIENCE) }, answer);
  if (secure !== undefined) watchHandshakes(secure, entrance.refused ?? (() => {}));
  const server = secure ?? http.createServer(settings, answer);
  boundPipelines(server);
  const sockets = admit(server, { ...entrance, connections: CONNECTIONS, perAddress: PER_ADDRESS });
  // Also one that asks and takes no answers.
  boundSilence(server, PATIENCE);
  return {
    listen: (address) => listen(server, address),
    renewTls: (material) => {
      if (secure !== undefined) renewTls(secure, material);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
