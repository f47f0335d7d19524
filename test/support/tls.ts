import net from "node:net";
import tls from "node:tls";
import type { TlsMaterial } from "../../src/net/tls.js";
import { Secret } from "../../src/util/secret.js";
import type { Certified } from "./certificates.js";

/** A certificate as a port or a client takes it. @param authority who signs the peers' */
export function material(own: Certified | undefined, authority?: Certified): TlsMaterial {
  return { certificate: own?.cert, key: own && new Secret(own.key), ca: authority?.cert };
}

/** How a try to connect ended: what was negotiated, or the code of what went wrong. */
export interface Greeting {
  readonly socket: tls.TLSSocket;
  /** `h2`, `http/1.1`, or nothing. */
  readonly protocol: string;
  /** The subject of the server's certificate, and its serial number. */
  readonly serial: string;
}

/** Makes a TLS connection to a port of this machine. Rejects where the handshake fails. */
export function greet(port: number, options: tls.ConnectionOptions): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: "127.0.0.1", ...options }, () => {
      resolve({
        socket,
        protocol: socket.alpnProtocol || "",
        serial: socket.getPeerCertificate().serialNumber,
      });
    });
    socket.on("error", reject);
  });
}

/** Resolves once a connection is over, with its error's code where it had one. */
export function over(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    let code = "";
    socket.on("error", (error: NodeJS.ErrnoException) => {
      code = error.code ?? "error";
    });
    socket.once("close", () => resolve(code));
    socket.resume();
  });
}

/** Connects in the clear. */
export function connectPlain(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" }, () => resolve(socket));
    socket.once("error", reject);
  });
}
