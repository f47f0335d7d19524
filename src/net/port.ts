import type { TlsMaterial } from "./tls.js";

/** A server with one listening address, whatever protocol it speaks. */
export interface Port {
  /** Name in the configuration, such as `grpc`. */
  readonly name: string;
  /** Starts to listen. @returns the bound address @throws the system's error where it cannot listen */
  open(): Promise<string>;
  /** Replaces the certificate for new connections. */
  renewTls(material: TlsMaterial): void;
  /** Open connections. */
  connections(): number;
  /** Open streams: calls that last until the client or the server ends them. */
  streams(): number;
  /** Reports NOT_SERVING or "Connection: close", and goes on answering. */
  retire(): void;
  /** Stops listening and closes. @param timeout milliseconds that calls in flight may take @returns calls that were cut */
  close(timeout: number): Promise<number>;
}
