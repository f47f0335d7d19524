import type { TlsMaterial } from "../net/tls.js";

/** Something with a port. */
export interface Port {
  readonly name: string;
  open(): Promise<string>;
  /** New connections get this certificate from now on. */
  renewTls(material: TlsMaterial): void;
  /** Connections that are open. */
  connections(): number;
  /** Calls open that stay so until somebody ends them. */
  streams(): number;
  /** Says that no more calls are wanted, and goes on serving. */
  retire(): void;
  /** Closes it. @param timeout milliseconds for calls under way @returns how many were cut then */
  close(timeout: number): Promise<number>;
}
