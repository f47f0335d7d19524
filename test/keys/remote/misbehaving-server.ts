import { createReadStream } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

// An issuer in its own process that may misbehave in any way: messages set its behaviour and report the requests it received.

/** A message that sets how the issuer behaves. */
export interface Order {
  readonly mode: string;
  /** The key set that it publishes, as JSON. */
  readonly document: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The only path that this order is for (default: every path without its own order). */
  readonly path?: string;
}

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A message that replaces the server's certificate and cuts off open connections. */
export interface NewCertificate {
  readonly tls: Certificate;
}

/** The options of the process, as JSON in its last argument. */
export interface Start {
  /** The certificate and key for https (default: plain http). */
  readonly tls?: Certificate;
}

type Respond = (req: http.IncomingMessage, res: http.ServerResponse, order: Order) => void;

const JSON_TYPE = { "Content-Type": "application/json" };
const text = (status: number, body: string, headers: Record<string, string> = JSON_TYPE): Respond => {
  return (_req, res) => void res.writeHead(status, headers).end(body);
};

const publish: Respond = (req, res, { document, headers = {} }) => {
  const isSame = (ours: string, theirs: "if-none-match" | "if-modified-since"): boolean =>
    headers[ours] !== undefined && req.headers[theirs] === headers[ours];
  if (isSame("ETag", "if-none-match") || isSame("Last-Modified", "if-modified-since"))
    res.writeHead(304, headers).end();
  else res.writeHead(200, { ...JSON_TYPE, ...headers }).end(document);
};

let turn = 0;
/** The answers, by mode. */
const MODES: Readonly<Record<string, Respond>> = {
  publish,
  flap: (req, res, order) => (turn++ % 2 === 0 ? publish(req, res, order) : text(503, "{}")(req, res, order)),
  500: text(500, "{}"),
  503: text(503, "{}"),
  404: text(404, "{}"),
  html: text(200, "<html>Sign in</html>", { "Content-Type": "text/html" }),
  "html as json": text(200, "<html>Sign in</html>"),
  // These serve the set itself under another type.
  "wrong type": (_req, res, { document }) => void res.writeHead(200, { "Content-Type": "image/png" }).end(document),
  garbage: (_req, res) => void res.writeHead(200, JSON_TYPE).end(Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x7b])),
  // Serves the document, a JSON string, as its bare text.
  verbatim: (_req, res, { document }) => void res.writeHead(200, JSON_TYPE).end(JSON.parse(document)),
  empty: text(200, '{"keys":[]}'),
  "no body": text(200, ""),
  "half a body": (_req, res, { document }) => {
    res.writeHead(200, { ...JSON_TYPE, "Content-Length": String(document.length) });
    res.write(document.slice(0, document.length / 2), () => res.destroy());
  },
  "closes mid-way": (_req, res, { document }) => {
    res.writeHead(200, JSON_TYPE);
    res.write(document.slice(0, document.length / 2), () => res.destroy());
  },
  "closes at once": (req) => void req.socket.destroy(),
  "no http": (req) => void req.socket.end("220 mail.example ready\r\n"),
  silent: () => {},
  circle: (req, res) => void res.writeHead(302, { Location: req.url ?? "/" }).end(),
  drip: (_req, res, { document }) => {
    res.writeHead(200, JSON_TYPE);
    let at = 0;
    const timer = setInterval(() => res.write(document[at++] ?? " "), 1000);
    res.write(document[at++]);
    res.on("close", () => clearInterval(timer));
  },
  // Serves 50 MB, more than any client reads.
  huge: (_req, res) => {
    res.writeHead(200, JSON_TYPE);
    createReadStream("/dev/zero", { end: 50e6 })
      .on("error", () => res.destroy())
      .pipe(res);
  },
  "304 to anything": (_req, res) => void res.writeHead(304).end(),
  // Redirects every path to /there, which publishes the set.
  elsewhere: (req, res, order) => {
    if (req.url === "/there") publish(req, res, order);
    else res.writeHead(307, { Location: "/there" }).end();
  },
  // Redirects to the URL in the document.
  "leads on": (_req, res, { document }) => void res.writeHead(302, { Location: JSON.parse(document) as string }).end(),
  "leads to a file": (_req, res) => void res.writeHead(302, { Location: "file:///etc/passwd" }).end(),
};

const { tls } = JSON.parse(process.argv.at(-1) ?? "{}") as Start;
let usual: Order = { mode: "publish", document: '{"keys":[]}' };
const orders = new Map<string, Order>();
const requests: string[] = [];
const answer = (req: http.IncomingMessage, res: http.ServerResponse): void => {
  requests.push(req.url ?? "");
  res.on("error", () => {});
  const order = orders.get(req.url ?? "") ?? usual;
  MODES[order.mode]?.(req, res, order);
};
const server = tls === undefined ? http.createServer(answer) : https.createServer(tls, answer);
server.on("tlsClientError", () => {});
let connections = 0;
server.on("connection", () => connections++);
process.on("message", (message: Order | NewCertificate | "count") => {
  if (message === "count") {
    process.send?.({ requests: requests.splice(0), connections });
    connections = 0;
    return;
  }
  if ("tls" in message) {
    (server as https.Server).setSecureContext(message.tls);
    server.closeAllConnections();
  } else if (message.path === undefined) usual = message;
  else orders.set(message.path, message);
  process.send?.({ done: true });
});
process.on("disconnect", () => process.exit());
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
