/** Something with a port. */
export interface Port {
  readonly name: string;
  open(): Promise<string>;
  /** Connections that are open. */
  connections(): number;
  /** Calls open that stay so until somebody ends them. */
  streams(): number;
  /** Says that no more calls are wanted, and goes on serving. */
  retire(): void;
  close(timeout: number): Promise<void>;
}
