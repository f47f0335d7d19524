import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Certificate, NewCertificate, Order, Start } from "./misbehaving-server.js";

const MODULE = fileURLToPath(new URL("./misbehaving-server.ts", import.meta.url));

/** An issuer in its own process, whose behaviour the test sets. */
export class Issuer {
  readonly #child: ChildProcess;
  readonly #scheme: string;
  port = 0;

  private constructor(start: Start) {
    this.#scheme = start.tls === undefined ? "http" : "https";
    this.#child = fork(MODULE, [JSON.stringify(start)], { execArgv: ["--import", import.meta.resolve("tsx")] });
  }

  /** Starts an issuer that publishes an empty key set. */
  static async start(start: Start = {}): Promise<Issuer> {
    const issuer = new Issuer(start);
    const [{ port }] = (await once(issuer.#child, "message")) as [{ port: number }];
    issuer.port = port;
    return issuer;
  }

  /** The URL of its key set. */
  get url(): string {
    return this.at("/jwks");
  }

  at(path: string): string {
    return `${this.#scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** Sets the issuer's behaviour from now on. */
  async be(mode: string, document: unknown = { keys: [] }, more: Pick<Order, "headers" | "path"> = {}): Promise<void> {
    this.#child.send({ mode, document: JSON.stringify(document), ...more } satisfies Order);
    await once(this.#child, "message");
  }

  /** Replaces its certificate at the same port, and cuts off open connections. */
  async show({ cert, key }: Certificate): Promise<void> {
    this.#child.send({ tls: { cert, key } } satisfies NewCertificate);
    await once(this.#child, "message");
  }

  /** Returns the paths requested since the last count, in order. */
  async requests(): Promise<readonly string[]> {
    return (await this.counts()).requests;
  }

  /** Returns how many connections were made since the last count, with or without a request. */
  async connections(): Promise<number> {
    return (await this.counts()).connections;
  }

  /** Returns both counts and starts new ones. */
  async counts(): Promise<{ readonly requests: readonly string[]; readonly connections: number }> {
    this.#child.send("count");
    const [counts] = (await once(this.#child, "message")) as [{ requests: string[]; connections: number }];
    return counts;
  }

  /** Ends the process, which closes its port. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
