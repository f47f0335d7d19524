import net from "node:net";
import tls from "node:tls";
import type { TlsMaterial } from "../../src/net/tls.js";
import { Secret } from "../../src/util/secret.js";
import type { Certified } from "./certificates.js";

/** The TLS material of a port or a client. @param authority the authority that signs the peers' certificates */
export function material(own: Certified | undefined, authority?: Certified): TlsMaterial {
  return { certificate: own?.cert, key: own && new Secret(own.key), ca: authority?.cert };
}

/** The result of a TLS handshake. */
export interface Greeting {
  readonly socket: tls.TLSSocket;
  /** `h2`, `http/1.1`, or empty. */
  readonly protocol: string;
  /** The serial number of the server's certificate. */
  readonly serial: string;
}

/** Makes a TLS connection to a port of this machine, and rejects if the handshake fails. */
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

/** Resolves once a connection has closed, with the code of its error if it had one. */
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

/** Connects without TLS. */
export function connectPlain(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" }, () => resolve(socket));
    socket.once("error", reject);
  });
}
